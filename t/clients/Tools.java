// Apache Kafka's command-line tools in one JVM: a line of standard input is a class and its arguments,
// $B in them being HOST:PORT, the argument. After each line of output "== EXITCODE LINE".
import java.io.*;
import java.util.*;
import org.apache.kafka.common.utils.Exit;

public class Tools {
    static class Exited extends RuntimeException {
        final int code;

        Exited(int code) {
            this.code = code;
        }
    }

    public static void main(String[] args) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new Exited(code);
        });
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            String[] words = line.trim().split(" +");
            int code = 0;
            for (int i = 0; i < words.length; i++)
                words[i] = words[i].replace("$B", args[0]);
            try {
                Class.forName(words[0]).getMethod("main", String[].class)
                    .invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
            } catch (java.lang.reflect.InvocationTargetException e) {
                if (!(e.getCause() instanceof Exited))
                    throw e;
                code = ((Exited) e.getCause()).code;
            }
            System.out.println("== " + code + " " + line);
            System.out.flush();
        }
        System.exit(0);
    }
}
