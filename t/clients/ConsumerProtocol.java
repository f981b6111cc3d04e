// Members of the consumer protocol (KIP-848), the Java 4.x consumer with group.protocol=consumer.
// Prints TAP; arguments: HOST:PORT, a shell command that kills the group coordinator.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.function.BooleanSupplier;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

public class ConsumerProtocol {
    static String broker, kill;
    static int count;
    static Admin admin;
    static final Map<String, AtomicInteger> seen = new ConcurrentHashMap<>();

    static boolean ok(boolean good, String name) {
        System.out.println((good ? "ok " : "not ok ") + ++count + " - " + name);
        return good;
    }

    static void is(Object got, Object want, String name) {
        if (!ok(Objects.equals(got, want), name))
            System.out.println("# got " + got + "\n# want " + want);
    }

    static boolean await(BooleanSupplier condition, int seconds) throws Exception {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end)
                return false;
            Thread.sleep(20);
        }
        return true;
    }

    // A consumer in a thread, what it has, and what was taken from it.
    static class Member extends Thread implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final String name;
        final Set<TopicPartition> owned = ConcurrentHashMap.newKeySet();
        final List<TopicPartition> revoked = new CopyOnWriteArrayList<>();
        final AtomicInteger lost = new AtomicInteger();
        volatile boolean stop;
        volatile Exception failure;

        Member(String name, String group, Object subscription, String... conf) {
            this.name = name;
            Map<String, Object> m = new HashMap<>(Map.of("bootstrap.servers", broker,
                "group.id", group, "group.protocol", "consumer", "client.id", name,
                "auto.offset.reset", "earliest", "auto.commit.interval.ms", 300));
            for (int i = 0; i < conf.length; i += 2)
                m.put(conf[i], conf[i + 1]);
            consumer = new KafkaConsumer<>(m, new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
            if (subscription instanceof SubscriptionPattern p)
                consumer.subscribe(p, this);
            else
                consumer.subscribe(List.of(((String) subscription).split(",")), this);
            start();
        }

        public void onPartitionsAssigned(Collection<TopicPartition> p) {
            owned.addAll(p);
        }
        public void onPartitionsRevoked(Collection<TopicPartition> p) {
            owned.removeAll(p);
            revoked.addAll(p);
        }
        public void onPartitionsLost(Collection<TopicPartition> p) {
            owned.removeAll(p);
            lost.addAndGet(p.size());
        }

        public void run() {
            try {
                while (!stop)
                    for (var r : consumer.poll(Duration.ofMillis(100)))
                        seen.computeIfAbsent(r.topic() + "-" + r.partition() + "@" + r.offset(),
                            k -> new AtomicInteger()).incrementAndGet();
            } catch (Exception e) {
                failure = e;
            } finally {
                consumer.close();
            }
        }

        void leave() throws Exception {
            stop = true;
            join(20000);
        }
    }

    static boolean covered(String topic, int partitions, Member... members) {
        List<TopicPartition> all = new ArrayList<>();
        for (Member m : members)
            m.owned.stream().filter(p -> p.topic().equals(topic)).forEach(all::add);
        return all.size() == partitions && new HashSet<>(all).size() == partitions;
    }

    static List<Integer> shares(String topic, Member... members) {
        return Arrays.stream(members).map(m -> (int) m.owned.stream()
            .filter(p -> p.topic().equals(topic)).count()).sorted().toList();
    }

    static void topic(String name, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
    }

    static String type(String group) {
        try {
            return admin.listGroups().all().get().stream()
                .filter(g -> g.groupId().equals(group))
                .map(g -> g.type().get().toString()).findFirst().orElse("none");
        } catch (Exception e) {
            return e.toString();
        }
    }

    // Writes to every partition of a topic until it is closed.
    static class Writer extends Thread {
        final String topic;
        final int partitions;
        final Map<Integer, Long> last = new ConcurrentHashMap<>();
        volatile boolean stop;

        Writer(String topic, int partitions) {
            this.topic = topic;
            this.partitions = partitions;
            start();
        }
        public void run() {
            try (var p = new KafkaProducer<>(Map.of("bootstrap.servers", broker),
                    new ByteArraySerializer(), new ByteArraySerializer())) {
                for (int i = 0; !stop; i++) {
                    p.send(new ProducerRecord<>(topic, i % partitions, null, new byte[10]),
                        (m, e) -> {
                            if (e == null)
                                last.merge(m.partition(), m.offset(), Math::max);
                        });
                    Thread.sleep(5);
                }
            } catch (InterruptedException e) {
                return;
            }
        }
        void check(String name) throws Exception {
            stop = true;
            join();
            BooleanSupplier all = () -> last.entrySet().stream().allMatch(e ->
                LongStream.rangeClosed(0, e.getValue()).allMatch(o ->
                    seen.containsKey(topic + "-" + e.getKey() + "@" + o)));
            ok(await(all, 20), name + ": every record was read");
            long twice = seen.entrySet().stream().filter(e -> e.getKey().startsWith(topic + "-")
                && e.getValue().get() > 1).count();
            System.out.println("# " + twice + " records were read more than once");
        }
    }

    static void uniform() throws Exception {
        topic("uniform", 6);
        Writer w = new Writer("uniform", 6);
        Member a = new Member("a", "g-uniform", "uniform");
        ok(await(() -> covered("uniform", 6, a), 20), "uniform: one member has all");
        Member b = new Member("b", "g-uniform", "uniform");
        Member c = new Member("c", "g-uniform", "uniform");
        ok(await(() -> shares("uniform", a, b, c).equals(List.of(2, 2, 2))
            && covered("uniform", 6, a, b, c), 30), "uniform: three have two each");
        ok(a.revoked.size() <= 4 && b.revoked.size() <= 1,
            "uniform: only what moves is given back: " + a.revoked + b.revoked);
        Set<TopicPartition> hadA = Set.copyOf(a.owned), hadB = Set.copyOf(b.owned);
        int before = a.revoked.size() + b.revoked.size();
        Process p = new ProcessBuilder("bash", "-c", kill).inheritIO().start();
        is(p.waitFor(), 0, "the coordinator is killed");
        c.leave();
        ok(await(() -> covered("uniform", 6, a, b), 30), "uniform: the rest is for those who stay");
        ok(a.owned.containsAll(hadA) && b.owned.containsAll(hadB)
            && a.revoked.size() + b.revoked.size() == before && a.lost.get() + b.lost.get() == 0,
            "uniform: who is not affected keeps all it has");
        var d = admin.describeConsumerGroups(List.of("g-uniform")).all().get().get("g-uniform");
        is(d.type() + " " + d.partitionAssignor(), "Consumer uniform", "uniform: described");
        w.check("uniform");
        a.leave();
        b.leave();
        is(admin.describeConsumerGroups(List.of("g-uniform")).all().get().get("g-uniform")
            .groupState(), GroupState.EMPTY, "uniform: empty");
        admin.deleteConsumerGroups(List.of("g-uniform")).all().get();
        is(type("g-uniform"), "none", "uniform: deleted");
    }

    static void range() throws Exception {
        topic("range-1", 4);
        topic("range-2", 4);
        String[] conf = {"group.remote.assignor", "range", "client.rack", "rack-7"};
        Member a = new Member("a", "g-range", "range-1,range-2", conf);
        Member b = new Member("b", "g-range", "range-1,range-2", conf);
        ok(await(() -> covered("range-1", 4, a, b) && covered("range-2", 4, a, b)
            && shares("range-1", a, b).equals(List.of(2, 2)), 30), "range: all are assigned");
        Set<Integer> one = a.owned.stream().filter(p -> p.topic().equals("range-1"))
            .map(TopicPartition::partition).collect(Collectors.toSet());
        is(a.owned.stream().filter(p -> p.topic().equals("range-2"))
            .map(TopicPartition::partition).collect(Collectors.toSet()), one,
            "range: the same numbers of both topics");
        ok(one.equals(Set.of(0, 1)) || one.equals(Set.of(2, 3)), "range: side by side");
        a.leave();
        b.leave();
    }

    static void expression() throws Exception {
        topic("x-1", 2);
        topic("y-1", 2);
        var pattern = new SubscriptionPattern("x-[0-9]+");
        Member a = new Member("a", "g-x", pattern), b = new Member("b", "g-x", pattern);
        ok(await(() -> covered("x-1", 2, a, b) && covered("y-1", 0, a, b), 30),
            "an expression: topics that match");
        topic("x-2", 4);
        ok(await(() -> covered("x-2", 4, a, b) && covered("x-1", 2, a, b), 40),
            "an expression: a topic that is made later");
        Member bad = new Member("bad", "g-x", new SubscriptionPattern("x-("));
        ok(await(() -> bad.failure != null, 20) && bad.failure.getClass().getSimpleName()
            .equals("InvalidRegularExpression"), "no expression: " + bad.failure);
        a.leave();
        b.leave();
    }

    static void statics() throws Exception {
        topic("static", 4);
        Member a = new Member("a", "g-static", "static", "group.instance.id", "one");
        Member b = new Member("b", "g-static", "static", "group.instance.id", "two");
        ok(await(() -> shares("static", a, b).equals(List.of(2, 2))
            && covered("static", 4, a, b), 30), "static: two members");
        Set<TopicPartition> had = Set.copyOf(a.owned), others = Set.copyOf(b.owned);
        int events = b.revoked.size();
        Member twice = new Member("c", "g-static", "static", "group.instance.id", "two");
        ok(await(() -> twice.failure != null, 20) && twice.failure.getClass().getSimpleName()
            .equals("UnreleasedInstanceIdException"), "static: an instance twice: "
            + twice.failure);
        a.leave();
        Member again = new Member("a2", "g-static", "static", "group.instance.id", "one");
        ok(await(() -> again.owned.equals(had), 20), "static: it comes back to what it had");
        ok(b.owned.equals(others) && b.revoked.size() == events,
            "static: the other does not notice");
        again.leave();
        b.leave();
    }

    static void migration() throws Exception {
        topic("both", 6);
        Writer w = new Writer("both", 6);
        String[] classic = {"group.protocol", "classic", "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
            "heartbeat.interval.ms", "500"};
        Member a = new Member("a", "g-both", "both", classic);
        Member b = new Member("b", "g-both", "both", classic);
        ok(await(() -> shares("both", a, b).equals(List.of(3, 3)) && covered("both", 6, a, b),
            40), "both: two classic members");
        is(type("g-both"), "Classic", "both: a classic group");
        Member k = new Member("k", "g-both", "both");
        ok(await(() -> shares("both", a, b, k).equals(List.of(2, 2, 2))
            && covered("both", 6, a, b, k), 40), "both: a member of the other protocol joins");
        is(type("g-both"), "Consumer", "both: a consumer group");
        ok(a.lost.get() + b.lost.get() == 0 && a.revoked.size() + b.revoked.size() < 12,
            "both: nobody lost anything");
        a.leave();
        b.leave();
        ok(await(() -> covered("both", 6, k), 40), "both: the classic members leave");
        Member c = new Member("c", "g-both", "both", classic);
        ok(await(() -> shares("both", c, k).equals(List.of(3, 3)) && covered("both", 6, c, k), 40),
            "both: one comes back");
        is(type("g-both"), "Consumer", "both: still a consumer group");
        k.leave();
        ok(await(() -> covered("both", 6, c), 40), "both: the last of the other protocol leaves");
        is(type("g-both"), "Classic", "both: a classic group again");
        w.check("both");
        c.leave();
    }

    // Within two heartbeats of a second, and the second that lies between two assignments.
    static void many() throws Exception {
        topic("many", 100);
        Member[] m = new Member[20];
        for (int i = 0; i < 19; i++)
            m[i] = new Member("m" + i, "g-many", "many", "auto.commit.interval.ms", "5000");
        Member[] some = Arrays.copyOf(m, 19);
        ok(await(() -> covered("many", 100, some), 60), "19 members have 100 partitions");
        long t = System.nanoTime();
        m[19] = new Member("m19", "g-many", "many");
        ok(await(() -> covered("many", 100, m) && shares("many", m).get(0) == 5, 60),
            "20 members have five partitions each");
        System.out.println("# " + (System.nanoTime() - t) / 1000000 + " ms after the last joined");
        Map<Member, Set<TopicPartition>> had = new HashMap<>();
        Map<Member, Integer> revoked = new HashMap<>();
        for (Member x : m) {
            had.put(x, Set.copyOf(x.owned));
            revoked.put(x, x.revoked.size());
        }
        m[7].leave();
        Member[] rest = Arrays.stream(m).filter(x -> x != m[7]).toArray(Member[]::new);
        ok(await(() -> covered("many", 100, rest), 60), "one leaves: the others have them all");
        ok(Arrays.stream(rest).allMatch(x -> x.owned.containsAll(had.get(x))
            && x.revoked.size() == revoked.get(x)), "and nobody gave anything back");
        for (Member x : rest)
            x.stop = true;
        for (Member x : rest)
            x.join(20000);
    }

    public static void main(String[] args) throws Exception {
        broker = args[0];
        kill = args[1];
        admin = Admin.create(Map.of("bootstrap.servers", (Object) broker));
        uniform();
        range();
        expression();
        statics();
        migration();
        many();
        System.out.println("1.." + count);
        System.exit(0);
    }
}
