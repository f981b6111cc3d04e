// A member of a group: prints the values that it gets until SIGTERM, then leaves.
// Arguments: HOST:PORT GROUP TOPIC [KEY=VALUE...]
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.*;

public class Member {
    public static void main(String[] args) throws Exception {
        Map<String, Object> m = new HashMap<>(Map.of("bootstrap.servers", args[0], "group.id", args[1],
            "auto.offset.reset", "earliest", "auto.commit.interval.ms", 200));
        for (int i = 3; i < args.length; i++)
            m.put(args[i].split("=", 2)[0], args[i].split("=", 2)[1]);
        KafkaConsumer<String, String> c = new KafkaConsumer<>(m, new StringDeserializer(), new StringDeserializer());
        Thread reader = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            c.wakeup();
            try {
                reader.join();
            } catch (InterruptedException e) {
                return;
            }
        }));
        c.subscribe(List.of(args[2]));
        try {
            for (;;) {
                c.poll(Duration.ofSeconds(1)).forEach(r -> System.out.println(r.value()));
                System.out.flush();
            }
        } catch (WakeupException e) {
            c.close();
        }
    }
}
