/* Serialises messages with Apache Kafka's own generated classes, filled from their own schemas.
 *
 * stdin: "MESSAGE FIRST LAST" a line. stdout: MESSAGE, version, bytes in hex, and for the random
 * instances Kafka's JSON of it, with tabs between. The seed is the message's name and version, so
 * that the same Kafka gives the same bytes. */
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.internal.MemoryRecords;

public class Make {
    enum Mode { DEFAULT, ONE, THREE, NULL, UNKNOWN, MIX }
    static final int MIXES = 3;  // beyond the first
    static final String[] PACKAGES = {
        "org.apache.kafka.common.message.", "org.apache.kafka.common.metadata.",
        "org.apache.kafka.coordinator.group.generated.",
        "org.apache.kafka.coordinator.transaction.generated.",
        "org.apache.kafka.server.log.remote.metadata.storage.generated.",
    };
    static final String[] WORDS = {
        "", "a", "topic-1", "orders", "größe", "日本語", "\"q\"\\\n\t", "𝄞"
    };
    static Random random;
    static Mode mode;

    public static void main(String[] args) throws Exception {
        Scanner in = new Scanner(System.in);
        while (in.hasNext())
            message(in.next(), in.nextShort(), in.nextShort());
        if (System.out.checkError())
            System.exit(111);
    }

    static Class<?> find(String name) throws ClassNotFoundException {
        for (String p : PACKAGES)
            for (String suffix : new String[] {"Data", ""})
                try {
                    return Class.forName(p + name + suffix);
                } catch (ClassNotFoundException e) {
                    continue;
                }
        throw new ClassNotFoundException(name);
    }

    static void message(String name, short first, short last) throws Exception {
        Class<?> type = find(name);
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        for (short v = first; v <= last; v++)
            for (int i = 0; i < Mode.values().length + MIXES; i++) {
                mode = Mode.values()[Math.min(i, Mode.MIX.ordinal())];
                random = new Random((name + v + mode + i).hashCode());
                Message message = (Message) type.getConstructor().newInstance();
                boolean flexible = fill(message, schemas[v], 0);
                if (mode == Mode.UNKNOWN && !flexible)
                    continue;
                print(name, type, message, v);
            }
    }

    static void print(String name, Class<?> type, Message message, short v) throws Exception {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b;
        try {
            b = ByteBuffer.allocate(message.size(cache, v));
            message.write(new ByteBufferAccessor(b), cache, v);
        } catch (RuntimeException e) {
            System.err.println(name + " " + v + " " + mode + ": " + e);
            return;
        }
        String json = "";
        if (mode == Mode.MIX)
            json = "\t" + Class.forName(type.getName() + "JsonConverter")
                .getMethod("write", type, short.class, boolean.class)
                .invoke(null, message, v, false);
        System.out.println(name + "\t" + v + "\t" + HexFormat.of().formatHex(b.array()) + json);
    }

    /* Sets what this version has; true when the version is flexible. */
    static boolean fill(Message message, Schema schema, int depth) throws Exception {
        boolean flexible = false;
        for (BoundField f : schema.fields()) {
            if (f.def.type instanceof TaggedFields) {
                flexible = true;
                for (Object g : tagged(f.def.type).values())
                    set(message, (org.apache.kafka.common.protocol.types.Field) g, depth);
            } else {
                set(message, f.def, depth);
            }
        }
        if (flexible && mode == Mode.UNKNOWN) {
            message.unknownTaggedFields().add(new RawTaggedField(77, bytes()));
            message.unknownTaggedFields().add(new RawTaggedField(10000 + depth, bytes()));
        }
        return flexible;
    }

    static Map<?, ?> tagged(Type t) throws Exception {
        Field f = TaggedFields.class.getDeclaredField("fields");
        f.setAccessible(true);
        return (Map<?, ?>) f.get(t);
    }

    static void set(Message message, org.apache.kafka.common.protocol.types.Field def, int depth)
            throws Exception {
        if (mode == Mode.DEFAULT)
            return;
        String plain = def.name.replace("_", "");
        for (Field f : message.getClass().getDeclaredFields())
            if (!Modifier.isStatic(f.getModifiers()) && f.getName().equalsIgnoreCase(plain)) {
                f.setAccessible(true);
                f.set(message, value(f, f.getType(), def.type, depth));
                return;
            }
        throw new IllegalStateException(message.getClass() + " lacks " + def.name);
    }

    static boolean chance() {
        return random.nextInt(3) == 0;
    }

    static byte[] bytes() {
        byte[] b = new byte[mode == Mode.NULL ? 0 : random.nextInt(7)];
        random.nextBytes(b);
        return b;
    }

    /* Small numbers mostly; the extremes where the mode asks for them. */
    static long number(int bits, boolean signed) {
        long max = signed ? -1L >>> (65 - bits) : -1L >>> (64 - bits), min = signed ? -max - 1 : 0;
        if (mode == Mode.NULL)
            return min;
        if (mode == Mode.MIX && chance())
            return random.nextBoolean() ? max : signed ? -1 : 0;
        return random.nextInt(100) + 1;
    }

    static Object value(Field f, Class<?> c, Type t, int depth) throws Exception {
        if (t.isNullable() && (mode == Mode.NULL || mode == Mode.MIX && chance()))
            return null;
        if (Collection.class.isAssignableFrom(c))
            return list(f, c, t.arrayElementType().get(), depth);
        if (c == boolean.class)
            return mode != Mode.NULL && random.nextBoolean();
        if (c == byte.class)
            return (byte) number(8, true);
        if (c == short.class)
            return (short) number(16, true);
        if (c == int.class)
            return t == Type.UINT16 ? (int) number(16, false) : (int) number(32, true);
        if (c == long.class)
            return t == Type.UNSIGNED_INT32 ? number(32, false) : number(64, true);
        if (c == double.class)
            return mode == Mode.NULL ? -0.5 : random.nextInt(1000) / 8.0;
        if (c == Uuid.class)
            return mode == Mode.NULL ? Uuid.ZERO_UUID
                : new Uuid(random.nextLong(), random.nextLong());
        if (c == String.class)
            return mode == Mode.NULL ? "" : WORDS[random.nextInt(WORDS.length)];
        if (c == byte[].class)
            return bytes();
        if (c == ByteBuffer.class)
            return ByteBuffer.wrap(bytes());
        if (c.getSimpleName().equals("BaseRecords"))
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        return struct(c, t, depth + 1);
    }

    static Message struct(Class<?> c, Type t, int depth) throws Exception {
        Message m = (Message) c.getConstructor().newInstance();
        fill(m, (Schema) t, depth);
        return m;
    }

    @SuppressWarnings("unchecked")
    static Object list(Field f, Class<?> c, Type element, int depth) throws Exception {
        int[] mix = {0, 1, 3};
        int n = mode == Mode.NULL ? 0 : mode == Mode.ONE || mode == Mode.UNKNOWN ? 1
            : mode == Mode.THREE ? (depth < 2 ? 3 : 1) : mix[random.nextInt(depth < 2 ? 3 : 2)];
        Class<?> e;
        Collection<Object> out;
        if (c == List.class) {
            e = (Class<?>) ((ParameterizedType) f.getGenericType()).getActualTypeArguments()[0];
            out = new ArrayList<>();
        } else {
            String name = c.getName();
            e = Class.forName(name.substring(0, name.length() - "Collection".length()));
            out = (Collection<Object>) c.getConstructor().newInstance();
        }
        for (int i = 0; i < n; i++)
            out.add(value(null, unboxed(e), element, depth));
        return out;
    }

    static Class<?> unboxed(Class<?> c) {
        return java.lang.invoke.MethodType.methodType(c).unwrap().returnType();
    }
}
