// Java's Admin and groups, and members that subscribe by a pattern. Prints TAP; argument: HOST:PORT.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

public class AdminGroups {
    static String broker;
    static Admin admin;
    static int count;

    static void ok(boolean good, String name) {
        System.out.println((good ? "ok " : "not ok ") + ++count + " - " + name);
    }

    static void is(Object got, Object want, String name) {
        ok(Objects.equals(got, want), name);
        if (!Objects.equals(got, want))
            System.out.printf("# got %.300s\n# want %.300s\n", got, want);
    }

    static boolean until(BooleanSupplier what) throws Exception {
        for (long end = System.nanoTime() + 40_000_000_000L; System.nanoTime() < end; Thread.sleep(20))
            if (what.getAsBoolean())
                return true;
        return false;
    }

    static String error(Callable<?> call) {
        try {
            call.call();
            return "none";
        } catch (ExecutionException e) {
            return e.getCause().getClass().getSimpleName();
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }

    /** A consumer with a thread of its own that polls until it is told to end. */
    static class Member implements ConsumerRebalanceListener, Runnable {
        final KafkaConsumer<String, String> consumer;
        final Thread thread = new Thread(this);
        final Set<TopicPartition> has = ConcurrentHashMap.newKeySet();
        volatile boolean ends, lost;

        Member(String group, Object topics, String... conf) {
            Map<String, Object> m = new HashMap<>(Map.of("bootstrap.servers", broker, "group.id", group,
                "auto.offset.reset", "earliest", "session.timeout.ms", 6000));
            for (int i = 0; i < conf.length; i += 2)
                m.put(conf[i], conf[i + 1]);
            consumer = new KafkaConsumer<>(m, new StringDeserializer(), new StringDeserializer());
            if (topics instanceof Pattern p)
                consumer.subscribe(p, this);
            else
                consumer.subscribe(Arrays.asList(((String) topics).split(",")), this);
            thread.start();
        }

        public void onPartitionsAssigned(Collection<TopicPartition> v) {
            has.addAll(v);
        }

        public void onPartitionsRevoked(Collection<TopicPartition> v) {
            has.removeAll(v);
        }

        public void onPartitionsLost(Collection<TopicPartition> v) {
            has.removeAll(v);
            lost = true;
        }

        public void run() {
            try {
                while (!ends)
                    consumer.poll(Duration.ofMillis(100));
            } finally {
                consumer.close();
                has.clear();
            }
        }

        void end() throws Exception {
            ends = true;
            thread.join();
        }
    }

    static void put(String topic, int from, int to) throws Exception {
        try (Producer<String, String> p = new KafkaProducer<>(Map.of("bootstrap.servers", broker),
                new StringSerializer(), new StringSerializer())) {
            for (int i = from; i < to; i++)
                p.send(new ProducerRecord<>(topic, "" + i, "" + i));
        }
    }

    static ConsumerGroupDescription describe(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    static void topic(String name, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
    }

    static void patterns() throws Exception {
        topic("pat-1", 1);
        Member m = new Member("pat", Pattern.compile("pat-[12]"), "metadata.max.age.ms", "500");
        ok(until(() -> m.has.size() == 1), "a pattern: one topic");
        topic("pat-2", 2);
        topic("pat-3", 1);
        ok(until(() -> m.has.size() == 3), "and one that is made then");
        m.end();
    }

    static void administration() throws Exception {
        TopicPartition p0 = new TopicPartition("idle", 0), p1 = new TopicPartition("idle", 1);
        topic("idle", 3);
        put("idle", 0, 300);
        admin.alterConsumerGroupOffsets("admin", Map.of(p0, new OffsetAndMetadata(5, "words"),
            p1, new OffsetAndMetadata(7))).all().get();
        Map<TopicPartition, OffsetAndMetadata> at =
            admin.listConsumerGroupOffsets("admin").partitionsToOffsetAndMetadata().get();
        is(at.get(p0).offset() + at.get(p0).metadata() + at.get(p1).offset(), "5words7", "offsets are altered");
        is(at.size(), 2, "and listed");
        ok(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals("admin")), "a group is listed");
        ok(admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))).all().get().stream()
            .noneMatch(g -> g.groupId().equals("admin")), "by state");
        ok(admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).all().get().stream()
            .noneMatch(g -> g.groupId().equals("admin")), "by type");
        admin.deleteConsumerGroupOffsets("admin", Set.of(p1)).all().get();
        is(admin.listConsumerGroupOffsets("admin").partitionsToOffsetAndMetadata().get().size(), 1,
            "offsets are deleted");
        Member m = new Member("admin", "idle");
        ok(until(() -> m.has.size() == 3), "a member");
        ConsumerGroupDescription d = describe("admin");
        ok(d.groupState() == GroupState.STABLE && d.type() == GroupType.CLASSIC && d.members().size() == 1
            && d.partitionAssignor().equals("range") && d.members().iterator().next().assignment()
            .topicPartitions().equals(m.has), "is described");
        is(error(() -> admin.deleteConsumerGroups(List.of("admin")).all().get()), "GroupNotEmptyException",
            "a group with members stays");
        is(error(() -> admin.alterConsumerGroupOffsets("admin", Map.of(p0, new OffsetAndMetadata(0))).all().get()),
            "UnknownMemberIdException", "its offsets are its own");
        is(error(() -> admin.deleteConsumerGroupOffsets("admin", Set.of(p0)).partitionResult(p0).get()),
            "GroupSubscribedToTopicException", "nor are they deleted");
        admin.removeMembersFromConsumerGroup("admin", new RemoveMembersFromConsumerGroupOptions()).all().get();
        ok(until(() -> m.lost), "it is removed");
        m.end();
        admin.deleteConsumerGroups(List.of("admin")).all().get();
        is(error(() -> admin.deleteConsumerGroups(List.of("admin")).all().get()), "GroupIdNotFoundException",
            "it is gone");
        is(error(() -> describe("admin")), "GroupIdNotFoundException", "not described");
    }

    public static void main(String[] args) throws Exception {
        broker = args[0];
        admin = Admin.create(Map.of("bootstrap.servers", broker));
        patterns();
        administration();
        System.out.println("1.." + count);
        System.exit(0);
    }
}
