// The Java 4.x producer, consumer (assign) and Admin against a broker. Prints TAP; argument: HOST:PORT.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

public class Clients {
    static String broker;
    static int count;

    static void ok(boolean good, String name) {
        System.out.println((good ? "ok " : "not ok ") + ++count + " - " + name);
    }

    static void is(Object got, Object want, String name) {
        ok(Objects.equals(got, want), name);
        if (!Objects.equals(got, want))
            System.out.println("# got " + got + "\n# want " + want);
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

    static Producer<byte[], byte[]> producer(Object... conf) {
        Map<String, Object> m = new HashMap<>(Map.of("bootstrap.servers", broker));
        for (int i = 0; i < conf.length; i += 2)
            m.put((String) conf[i], conf[i + 1]);
        return new KafkaProducer<>(m, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static List<ConsumerRecord<byte[], byte[]>> read(String topic, int partition, long from, int n, Object... conf) {
        Map<String, Object> m = new HashMap<>(Map.of("bootstrap.servers", broker, "auto.offset.reset", "none"));
        for (int i = 0; i < conf.length; i += 2)
            m.put((String) conf[i], conf[i + 1]);
        List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
        try (Consumer<byte[], byte[]> c =
                new KafkaConsumer<>(m, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            TopicPartition tp = new TopicPartition(topic, partition);
            c.assign(List.of(tp));
            c.seek(tp, from);
            long end = System.nanoTime() + 20_000_000_000L;
            while (got.size() < n && System.nanoTime() < end)
                c.poll(Duration.ofMillis(500)).forEach(got::add);
        }
        return got;
    }

    static void records() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            for (String acks : List.of("0", "1", "all")) {
                String topic = "java-" + codec + "-" + acks;
                List<Long> offsets = new ArrayList<>();
                try (Producer<byte[], byte[]> p = producer("compression.type", codec, "acks", acks,
                        "enable.idempotence", acks.equals("all"), "linger.ms", 5)) {
                    List<Future<RecordMetadata>> sent = new ArrayList<>();
                    for (int i = 0; i < 3000; i++) {
                        ProducerRecord<byte[], byte[]> r = new ProducerRecord<>(topic, 0, 1700000000000L + i,
                            ("k" + i).getBytes(), ("value " + i + " of " + topic).getBytes());
                        r.headers().add(new RecordHeader("n", ("" + i).getBytes())).add("null", null);
                        sent.add(p.send(r));
                    }
                    for (Future<RecordMetadata> f : sent)
                        offsets.add(f.get().offset());
                }
                List<ConsumerRecord<byte[], byte[]>> got = read(topic, 0, 0, 3000);
                boolean good = got.size() == 3000;
                for (int i = 0; good && i < 3000; i++) {
                    ConsumerRecord<byte[], byte[]> r = got.get(i);
                    good = r.offset() == i && (acks.equals("0") || offsets.get(i) == i)
                        && r.timestamp() == 1700000000000L + i
                        && new String(r.key()).equals("k" + i)
                        && new String(r.value()).equals("value " + i + " of " + topic)
                        && new String(r.headers().lastHeader("n").value()).equals("" + i)
                        && r.headers().lastHeader("null").value() == null;
                }
                ok(good, codec + ", acks=" + acks + ": the same records, in order, once");
            }
        byte[] big = new byte[1000000];
        new Random(1).nextBytes(big);
        try (Producer<byte[], byte[]> p = producer("max.request.size", 3000000)) {
            p.send(new ProducerRecord<>("java-big", 0, null, big)).get();
            p.send(new ProducerRecord<>("java-big", 0, new byte[0], null)).get();
            is(error(() -> p.send(new ProducerRecord<>("java-big", 0, null, new byte[2000000])).get()),
                "RecordTooLargeException", "a record beyond message.max.bytes");
            is(error(() -> p.send(new ProducerRecord<>("java-big", 0, 1L << 60, null, big)).get()),
                "InvalidTimestampException", "a time far in the future");
        }
        List<ConsumerRecord<byte[], byte[]>> got = read("java-big", 0, 0, 2, "max.partition.fetch.bytes", 1000);
        ok(got.size() == 2 && Arrays.equals(got.get(0).value(), big) && got.get(1).value() == null
            && got.get(1).key().length == 0, "1 MB, null and empty come back");
        is(read("java-lz4-all", 0, 2990, 10).get(0).offset(), 2990L, "from the middle of a batch");
        is(error(() -> read("java-big", 0, 99, 1)), "OffsetOutOfRangeException", "an offset out of range");
        is(read("java-none-1", 0, 0, 3000, "isolation.level", "read_committed").size(), 3000, "read_committed");
    }

    static void topics(Admin a) throws Exception {
        CreateTopicsResult made = a.createTopics(List.of(
            new NewTopic("adm", 3, (short) 1).configs(Map.of("cleanup.policy", "compact", "retention.ms", "1000"))));
        Uuid id = made.topicId("adm").get();
        is(made.numPartitions("adm").get(), 3, "create: partitions");
        is(made.config("adm").get().get("cleanup.policy").value(), "compact", "create: configs in the answer");
        TopicDescription d = a.describeTopics(List.of("adm"), new DescribeTopicsOptions()
            .includeAuthorizedOperations(true)).allTopicNames().get().get("adm");
        ok(d.topicId().equals(id) && d.partitions().size() == 3 && d.partitions().get(2).isr().size() == 1
            && d.partitions().get(0).leader().id() == 1, "describe");
        ok(d.authorizedOperations().contains(AclOperation.ALTER_CONFIGS), "authorized operations");
        is(a.describeTopics(TopicCollection.ofTopicIds(List.of(id))).topicIdValues().get(id).get().name(), "adm",
            "describe by id");
        is(error(() -> a.createTopics(List.of(new NewTopic("adm", 1, (short) 1))).all().get()),
            "TopicExistsException", "it exists");
        is(error(() -> a.createTopics(List.of(new NewTopic("bad name", 1, (short) 1))).all().get()),
            "InvalidTopicException", "a bad name");
        is(error(() -> a.createTopics(List.of(new NewTopic("rf", 1, (short) 2))).all().get()),
            "InvalidReplicationFactorException", "replication factor");
        is(error(() -> a.createTopics(List.of(new NewTopic("zero", 0, (short) 1))).all().get()),
            "InvalidPartitionsException", "no partitions");
        is(error(() -> a.createTopics(List.of(new NewTopic("ra", Map.of(0, List.of(7))))).all().get()),
            "InvalidReplicaAssignmentException", "an unknown broker in an assignment");
        a.createTopics(List.of(new NewTopic("only", 1, (short) 1)),
            new CreateTopicsOptions().validateOnly(true)).all().get();
        ok(!a.listTopics().names().get().contains("only"), "validate only");
        a.createPartitions(Map.of("adm", NewPartitions.increaseTo(5))).all().get();
        is(a.describeTopics(List.of("adm")).allTopicNames().get().get("adm").partitions().size(), 5, "grow");
        is(error(() -> a.createPartitions(Map.of("adm", NewPartitions.increaseTo(4))).all().get()),
            "InvalidPartitionsException", "never fewer");
        is(error(() -> a.createPartitions(Map.of("none", NewPartitions.increaseTo(4))).all().get()),
            "UnknownTopicOrPartitionException", "of no topic");
        try (Producer<byte[], byte[]> p = producer()) {
            is(error(() -> p.send(new ProducerRecord<>("adm", 0, null, "no key".getBytes())).get()),
                "InvalidRecordException", "a compacted topic wants keys");
            p.send(new ProducerRecord<>("adm", 4, "k".getBytes(), "old".getBytes())).get();
        }
        a.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        is(error(() -> a.deleteTopics(List.of("adm")).all().get()), "UnknownTopicOrPartitionException", "gone");
        is(error(() -> a.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get()),
            "UnknownTopicIdException", "its id too");
        Uuid again = a.createTopics(List.of(new NewTopic("adm", 5, (short) 1))).topicId("adm").get();
        ok(!again.equals(id), "made again it has another id");
        is(offset(a, "adm", 4, OffsetSpec.latest()), 0L, "and no old records");
    }

    static long offset(Admin a, String topic, int p, OffsetSpec at) throws Exception {
        TopicPartition tp = new TopicPartition(topic, p);
        return a.listOffsets(Map.of(tp, at)).partitionResult(tp).get().offset();
    }

    static void offsets(Admin a) throws Exception {
        try (Producer<byte[], byte[]> p = producer("compression.type", "lz4", "linger.ms", 50)) {
            for (long t : List.of(1000L, 5000L, 3000L, 4000L))
                p.send(new ProducerRecord<>("offs", 0, t, null, "x".getBytes()));
        }
        is(offset(a, "offs", 0, OffsetSpec.earliest()), 0L, "earliest");
        is(offset(a, "offs", 0, OffsetSpec.latest()), 4L, "latest");
        is(offset(a, "offs", 0, OffsetSpec.maxTimestamp()), 1L, "the largest time");
        is(offset(a, "offs", 0, OffsetSpec.forTimestamp(2000)), 1L, "by time");
        is(offset(a, "offs", 0, OffsetSpec.forTimestamp(5001)), -1L, "past the last time");
        is(offset(a, "offs", 0, OffsetSpec.earliestLocal()), 0L, "earliest local");
        is(offset(a, "offs", 0, OffsetSpec.latestTiered()), -1L, "latest tiered");
        TopicPartition tp = new TopicPartition("offs", 0);
        is(a.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(3))).lowWatermarks().get(tp).get().lowWatermark(),
            3L, "delete records");
        is(offset(a, "offs", 0, OffsetSpec.earliest()), 3L, "moves the first offset");
        is(error(() -> read("offs", 0, 1, 1)), "OffsetOutOfRangeException", "what is below is gone");
        is(error(() -> a.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(9))).all().get()),
            "OffsetOutOfRangeException", "not beyond the end");
        is(a.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(tp).get().lowWatermark(),
            4L, "-1 is the high watermark");
        is(a.describeProducers(List.of(tp)).partitionResult(tp).get().activeProducers().size(), 1, "producers");
    }

    static void configs(Admin a) throws Exception {
        ConfigResource t = new ConfigResource(ConfigResource.Type.TOPIC, "offs");
        a.incrementalAlterConfigs(Map.of(t, List.of(
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND),
            new AlterConfigOp(new ConfigEntry("retention.ms", "77"), AlterConfigOp.OpType.SET)))).all().get();
        Config c = a.describeConfigs(List.of(t), new DescribeConfigsOptions().includeSynonyms(true)
            .includeDocumentation(true)).all().get().get(t);
        is(c.get("cleanup.policy").value(), "delete,compact", "append to a list");
        is(c.get("retention.ms").source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "source: topic");
        is(c.get("retention.ms").type(), ConfigEntry.ConfigType.LONG, "type");
        is(c.get("segment.ms").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG, "source: default");
        ok(!c.get("retention.ms").documentation().isEmpty(), "documentation");
        ok(c.get("cleanup.policy").synonyms().size() >= 2, "synonyms");
        a.incrementalAlterConfigs(Map.of(t, List.of(
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SUBTRACT),
            new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE)))).all().get();
        c = a.describeConfigs(List.of(t)).all().get().get(t);
        is(c.get("cleanup.policy").value() + " " + c.get("retention.ms").value(), "delete 604800000", "undone");
        for (String[] kv : new String[][] {{"no.such", "1"}, {"retention.ms", "soon"}, {"cleanup.policy", "shred"},
                {"max.message.bytes", "-1"}, {"compression.type", "rar"}})
            is(error(() -> a.incrementalAlterConfigs(Map.of(t, List.of(new AlterConfigOp(
                new ConfigEntry(kv[0], kv[1]), AlterConfigOp.OpType.SET)))).all().get()),
                "InvalidConfigurationException", kv[0] + "=" + kv[1] + " is refused");
        ConfigResource none = new ConfigResource(ConfigResource.Type.TOPIC, "none");
        is(error(() -> a.describeConfigs(List.of(none)).all().get()), "UnknownTopicOrPartitionException",
            "configs of no topic");
        ConfigResource b = new ConfigResource(ConfigResource.Type.BROKER, "1");
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        a.incrementalAlterConfigs(Map.of(all, List.of(new AlterConfigOp(
            new ConfigEntry("log.retention.ms", "123456"), AlterConfigOp.OpType.SET)))).all().get();
        String seen = "";
        for (long end = System.nanoTime() + 5_000_000_000L; System.nanoTime() < end && !seen.equals("123456");)
            seen = a.describeConfigs(List.of(t)).all().get().get(t).get("retention.ms").value();
        is(seen, "123456", "a cluster-wide default reaches the topic");
        is(a.describeConfigs(List.of(b)).all().get().get(b).get("log.retention.ms").source(),
            ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, "source: cluster-wide");
        ok(a.listConfigResources().all().get().containsAll(List.of(t, b)), "listed");
        a.incrementalAlterConfigs(Map.of(all, List.of(new AlterConfigOp(
            new ConfigEntry("log.retention.ms", null), AlterConfigOp.OpType.DELETE)))).all().get();
        a.incrementalAlterConfigs(Map.of(t, List.of(new AlterConfigOp(
            new ConfigEntry("message.timestamp.type", "LogAppendTime"), AlterConfigOp.OpType.SET)))).all().get();
        try (Producer<byte[], byte[]> p = producer()) {
            long now = System.currentTimeMillis();
            RecordMetadata m = p.send(new ProducerRecord<>("offs", 0, 5L, null, "y".getBytes())).get();
            ok(Math.abs(m.timestamp() - now) < 60000, "log-append time in the answer");
            ConsumerRecord<byte[], byte[]> r = read("offs", 0, m.offset(), 1).get(0);
            ok(r.timestamp() == m.timestamp() && r.timestampType().name.equals("LogAppendTime"), "and in the log");
        }
    }

    static void cluster(Admin a) throws Exception {
        DescribeClusterResult c = a.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
        ok(c.nodes().get().size() == 1 && c.clusterId().get().length() == 22 && c.controller().get() != null
            && c.authorizedOperations().get().contains(AclOperation.ALTER), "describe cluster");
        QuorumInfo q = a.describeMetadataQuorum().quorumInfo().get();
        ok(q.leaderId() == 1 && q.voters().size() == 1 && q.highWatermark() > 0, "quorum");
        FeatureMetadata f = a.describeFeatures().featureMetadata().get();
        short level = f.finalizedFeatures().get("metadata.version").maxVersionLevel();
        ok(level >= 25 && f.finalizedFeaturesEpoch().get() >= 0, "features");
        a.updateFeatures(Map.of("metadata.version", new FeatureUpdate(level, FeatureUpdate.UpgradeType.UPGRADE)),
            new UpdateFeaturesOptions().validateOnly(true)).all().get();
        is(error(() -> a.updateFeatures(Map.of("metadata.version", new FeatureUpdate((short) 9999,
            FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get()),
            "InvalidUpdateVersionException", "a level that nobody has");
        LogDirDescription dir = a.describeLogDirs(List.of(1)).descriptions().get(1).get().values().iterator().next();
        ok(dir.error() == null && dir.replicaInfos().get(new TopicPartition("java-none-1", 0)).size() > 100000
            && dir.totalBytes().getAsLong() > 0, "log dirs");
    }

    public static void main(String[] args) throws Exception {
        broker = args[0];
        try (Admin a = Admin.create(Map.of("bootstrap.servers", broker))) {
            records();
            topics(a);
            offsets(a);
            configs(a);
            cluster(a);
        }
        System.out.println("1.." + count);
    }
}
