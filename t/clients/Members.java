// Members of classic groups: the Java consumer, eager, cooperative and static. Prints TAP.
// Argument: HOST:PORT.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

public class Members {
    static String broker;
    static int count;

    static void ok(boolean good, String name, Object... why) {
        System.out.println((good ? "ok " : "not ok ") + ++count + " - " + name);
        if (!good)
            System.out.println("# " + Arrays.toString(why));
    }

    static boolean until(int seconds, BooleanSupplier done) throws Exception {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (System.nanoTime() < end) {
            if (done.getAsBoolean())
                return true;
            Thread.sleep(20);
        }
        return false;
    }

    static class Member extends Thread implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final Set<Integer> has = ConcurrentHashMap.newKeySet();
        final Map<Integer, List<Long>> times = new ConcurrentHashMap<>();
        final List<Integer> taken = new CopyOnWriteArrayList<>();
        volatile int told;
        volatile boolean stopped, asksAgain;
        volatile Exception error;

        Member(String group, String topic, String assignor, String instance) {
            Map<String, Object> m = new HashMap<>(Map.of("bootstrap.servers", broker, "group.id", group,
                "group.protocol", "classic", "session.timeout.ms", 6000, "heartbeat.interval.ms", 200,
                "auto.offset.reset", "earliest", "auto.commit.interval.ms", 200,
                "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor));
            if (instance != null)
                m.put("group.instance.id", instance);
            consumer = new KafkaConsumer<>(m, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(List.of(topic), this);
            start();
        }

        public void onPartitionsAssigned(Collection<TopicPartition> parts) {
            told++;
            parts.forEach(p -> has.add(p.partition()));
        }

        public void onPartitionsRevoked(Collection<TopicPartition> parts) {
            told++;
            parts.forEach(p -> { has.remove(p.partition()); taken.add(p.partition()); });
        }

        public void run() {
            try {
                while (!stopped) {
                    if (asksAgain)
                        consumer.enforceRebalance("the test asks for it");
                    asksAgain = false;
                    consumer.poll(Duration.ofMillis(50)).forEach(r ->
                        times.computeIfAbsent(r.partition(), p -> new CopyOnWriteArrayList<>())
                            .add(System.nanoTime()));
                }
            } catch (Exception e) {
                error = e;
            }
            consumer.close();
        }

        void leave() throws Exception {
            stopped = true;
            join();
        }
    }

    static boolean stable(List<Member> members, Integer... sizes) throws Exception {
        return until(40, () -> {
            List<Integer> now = new ArrayList<>();
            Set<Integer> all = new HashSet<>();
            members.forEach(m -> { now.add(m.has.size()); all.addAll(m.has); });
            Collections.sort(now);
            return now.equals(List.of(sizes)) && all.size() == Arrays.stream(sizes).mapToInt(i -> i).sum();
        });
    }

    static List<Object> shares(List<Member> members) {
        List<Object> all = new ArrayList<>();
        members.forEach(m -> all.add(m.has + " " + m.error));
        return all;
    }

    static class Writer extends Thread {
        final String topic;
        final int partitions;
        volatile boolean stopped;

        Writer(String topic, int partitions) {
            this.topic = topic;
            this.partitions = partitions;
            start();
        }

        public void run() {
            try (Producer<byte[], byte[]> p = new KafkaProducer<>(Map.of("bootstrap.servers", broker),
                    new ByteArraySerializer(), new ByteArraySerializer())) {
                for (int i = 0; !stopped; i++) {
                    p.send(new ProducerRecord<>(topic, i % partitions, null, ("" + i).getBytes()));
                    Thread.sleep(3);
                }
            } catch (InterruptedException e) {
            }
        }
    }

    static void topic(Admin admin, String name, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
    }

    static void eager(Admin admin) throws Exception {
        topic(admin, "eager", 3);
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < 4; i++)
            members.add(new Member("eager", "eager", "RangeAssignor", null));
        ok(stable(members, 0, 1, 1, 1), "eager: three of four have a partition each", shares(members));
        Member busy = members.stream().filter(m -> !m.has.isEmpty()).findFirst().get();
        int told = members.get(0).told;
        members.get(0).asksAgain = true;
        ok(until(20, () -> members.get(0).told > told), "enforceRebalance");
        ok(stable(members, 0, 1, 1, 1), "and they share again", shares(members));
        busy.leave();
        members.remove(busy);
        ok(stable(members, 1, 1, 1), "one leaves, the idle one takes over", shares(members));
        ConsumerGroupDescription d = admin.describeConsumerGroups(List.of("eager")).all().get().get("eager");
        ok(d.groupState() == GroupState.STABLE && d.members().size() == 3 && d.partitionAssignor().equals("range")
            && d.members().stream().allMatch(m -> m.assignment().topicPartitions().size() == 1
                && m.host().startsWith("/127.0.0.1") && m.consumerId().startsWith(m.clientId() + "-")),
            "the group is described", d);
        for (Member m : members)
            m.leave();
        ok(admin.describeConsumerGroups(List.of("eager")).all().get().get("eager").groupState() == GroupState.EMPTY,
            "it is empty when all have left");
    }

    static void cooperative(Admin admin) throws Exception {
        topic(admin, "coop", 8);
        Writer w = new Writer("coop", 8);
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < 2; i++)
            members.add(new Member("coop", "coop", "CooperativeStickyAssignor", null));
        ok(stable(members, 4, 4), "cooperative: two share", shares(members));
        ok(until(20, () -> members.stream().allMatch(m -> m.times.size() >= 4)), "and read");
        List<Set<Integer>> had = new ArrayList<>();
        for (Member m : members) {
            had.add(Set.copyOf(m.has));
            m.taken.clear();
        }
        long start = System.nanoTime();
        members.add(new Member("coop", "coop", "CooperativeStickyAssignor", null));
        ok(stable(members, 2, 3, 3), "a third gets its share", shares(members));
        Thread.sleep(500);
        long end = System.nanoTime(), gap = 0;
        int kept = 0, taken = 0;
        for (int i = 0; i < 2; i++) {
            taken += members.get(i).taken.size();
            for (int p : had.get(i)) {
                if (!members.get(i).has.contains(p))
                    continue;
                kept++;
                long last = start;
                for (long t : members.get(i).times.getOrDefault(p, List.of()))
                    if (t > start && t < end) {
                        gap = Math.max(gap, t - last);
                        last = t;
                    }
                gap = Math.max(gap, end - last);
            }
        }
        ok(kept == 6 && taken == 2, "six partitions stay, two are revoked", kept, taken);
        ok(gap < 1_500_000_000L, "the six are read all the time: " + gap / 1000000 + " ms at most");
        for (Member m : members)
            m.leave();
        w.stopped = true;
        w.join();
    }

    static void statics(Admin admin) throws Exception {
        topic(admin, "static", 4);
        Member a = new Member("static", "static", "RangeAssignor", "a");
        Member b = new Member("static", "static", "RangeAssignor", "b");
        ok(stable(List.of(a, b), 2, 2), "static: two share", shares(List.of(a, b)));
        Set<Integer> had = Set.copyOf(b.has), first = Set.copyOf(a.has);
        int told = a.told;
        b.leave();
        Member again = new Member("static", "static", "RangeAssignor", "b");
        ok(until(20, () -> again.has.equals(had)), "one comes back and has what it had", again.has, again.error);
        ok(a.told == told, "without a rebalance");
        a.leave();
        Member leader = new Member("static", "static", "RangeAssignor", "a");
        ok(until(20, () -> leader.has.equals(first)) && again.has.equals(had),
            "either way, be it leader or follower", leader.has, again.has);
        Member second = new Member("static", "static", "RangeAssignor", "b");
        ok(until(20, () -> again.error != null)
            && again.error.getClass().getSimpleName().equals("FencedInstanceIdException"),
            "a second one of that name fences the first", again.error);
        ok(until(20, () -> second.has.equals(had)), "and has its partitions", second.has);
        admin.removeMembersFromConsumerGroup("static", new RemoveMembersFromConsumerGroupOptions(
            List.of(new MemberToRemove("b")))).all().get();
        ok(until(20, () -> leader.has.size() == 4 || second.has.size() == 4)
            || stable(List.of(leader, second), 2, 2), "an operator takes it out: the group rebalances");
        second.leave();
        leader.leave();
        again.leave();
    }

    public static void main(String[] args) throws Exception {
        broker = args[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            eager(admin);
            cooperative(admin);
            statics(admin);
        }
        System.out.println("1.." + count);
        System.exit(0);
    }
}
