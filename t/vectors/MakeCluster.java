/* Random lives of a cluster's brokers and partitions, and what Apache Kafka's own controller classes
 * make of them. Its clock, log and random choices are ours.
 *
 * stdout, fields with tabs between; ids in lists have commas between, "-" is none:
 *     life N LEVEL ELR                          begins one: metadata.version, 1 with eligible leaders
 *     topic NAME MIN-ISR UNCLEAN REPLICAS...    is made, a partition for each list
 *     register BROKER INCARNATION IN-ORDER      IN-ORDER 1: it knows its predecessor's epoch
 *     beat BROKER STALE BEHIND FENCE SHUT OFFLINE     OFFLINE 1: its second directory failed
 *     time MS                                   goes by
 *     expire                                    whose session is over is fenced
 *     alter BROKER STALE TOPIC PARTITION LEADER-EPOCH PARTITION-EPOCH ISR RECOVERY
 *                                               epochs as differences; a "!" after an id: of an
 *                                               older incarnation
 *     elect TYPE TOPIC PARTITION
 *     reassign TOPIC PARTITION REPLICAS FACTOR-MAY-CHANGE     REPLICAS "-": cancelled
 *     assign BROKER DIRECTORY TOPIC PARTITION   DIRECTORY 0, 1: its own, 2: unknown
 *     config TOPIC NAME VALUE
 *     unregister BROKER
 *     preferred, unclean                        elections by the clock
 * After each comes the answer, "= ...", and the cluster as it is then, "@ ...": brokers, as
 * ID:state:directories, and partitions, TOPIC-N:leader/epoch/partition epoch/recovery state, ISR,
 * replicas, removing, adding, eligible, last known leader, directories (as numbers: 0 1 of the
 * broker, m migrating, u unassigned, x unknown). */
package org.apache.kafka.controller;

import java.util.*;
import java.util.stream.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.metadata.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.requests.ApiError;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.utils.*;
import org.apache.kafka.common.utils.internals.LogContext;
import org.apache.kafka.metadata.*;
import org.apache.kafka.server.common.*;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.timeline.SnapshotRegistry;

public class MakeCluster {
    static final int BROKERS = 5;
    static Random random;
    static long now, offset;
    static int level;
    static FeatureControlManager features;
    static ClusterControlManager cluster;
    static ConfigurationControlManager configs;
    static ReplicationControlManager replication;
    static SortedMap<String, Integer> topics;
    static Map<Integer, Integer> incarnations;
    static Set<Integer> broken;             // their second directory failed

    static class Clock implements Time {
        public long milliseconds() { return now; }
        public long nanoseconds() { return now * 1000000; }
        public void sleep(long ms) { }
        public void waitObject(Object o, java.util.function.Supplier<Boolean> c, long d) { }
    }

    static ControllerRequestContext context(ApiKeys key, int version) {
        return new ControllerRequestContext(new RequestHeaderData()
            .setRequestApiKey(key.id).setRequestApiVersion((short) version),
            KafkaPrincipal.ANONYMOUS, OptionalLong.empty());
    }

    static void replay(List<ApiMessageAndVersion> records) {
        for (ApiMessageAndVersion r : records) {
            ApiMessage m = r.message();
            if (m instanceof RegisterBrokerRecord x) cluster.replay(x, offset);
            else if (m instanceof UnregisterBrokerRecord x) cluster.replay(x);
            else if (m instanceof BrokerRegistrationChangeRecord x) cluster.replay(x);
            else if (m instanceof TopicRecord x) replication.replay(x);
            else if (m instanceof PartitionRecord x) replication.replay(x);
            else if (m instanceof PartitionChangeRecord x) replication.replay(x);
            else if (m instanceof ClearElrRecord x) replication.replay(x);
            else if (m instanceof ConfigRecord x) configs.replay(x);
            else if (m instanceof FeatureLevelRecord x) features.replay(x);
            else throw new IllegalStateException(m.toString());
            offset++;
        }
    }

    static void begin(boolean elr) {
        SnapshotRegistry snapshots = new SnapshotRegistry(new LogContext());
        features = new FeatureControlManager.Builder().setSnapshotRegistry(snapshots)
            .setQuorumFeatures(new QuorumFeatures(0,
                QuorumFeatures.defaultSupportedFeatureMap(true), List.of(0))).build();
        features.replay(new FeatureLevelRecord().setName("metadata.version")
            .setFeatureLevel((short) level));
        features.replay(new FeatureLevelRecord().setName("eligible.leader.replicas.version")
            .setFeatureLevel((short) (elr ? 1 : 0)));
        cluster = new ClusterControlManager.Builder().setTime(new Clock()).setClusterId("cluster")
            .setSnapshotRegistry(snapshots).setFeatureControlManager(features)
            .setBrokerShutdownHandler((id, clean, records) ->
                replication.handleBrokerShutdown(id, clean, records)).build();
        configs = new ConfigurationControlManager.Builder().setSnapshotRegistry(snapshots)
            .setFeatureControl(features).setKafkaConfigSchema(new KafkaConfigSchema(
                Map.of(ConfigResource.Type.BROKER, new ConfigDef(),
                    ConfigResource.Type.TOPIC, LogConfig.configDefCopy()),
                ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS)).build();
        replication = new ReplicationControlManager.Builder().setSnapshotRegistry(snapshots)
            .setConfigurationControl(configs).setClusterControl(cluster)
            .setFeatureControl(features).build();
        cluster.activate();
    }

    static Uuid directory(int broker, int which) { return new Uuid(broker * 256L + which, 7L << 32); }

    /* --- saying --- */

    static String ids(int[] v) {
        return v.length == 0 ? "-"
            : Arrays.stream(v).mapToObj(Integer::toString).collect(Collectors.joining(","));
    }

    static String directories(PartitionRegistration p) {
        return IntStream.range(0, p.replicas.length).mapToObj(i ->
            p.directories[i].equals(DirectoryId.MIGRATING) ? "m"
            : p.directories[i].equals(DirectoryId.UNASSIGNED) ? "u"
            : p.directories[i].equals(directory(p.replicas[i], 0)) ? "0"
            : p.directories[i].equals(directory(p.replicas[i], 1)) ? "1" : "x")
            .collect(Collectors.joining(","));
    }

    static PartitionRegistration partition(String topic, int n) {
        return replication.getPartition(replication.getTopicId(topic), n);
    }

    static void say(String event, String answer) {
        StringBuilder b = new StringBuilder(event + "\n= " + answer + "\n@");
        for (BrokerRegistration r : new TreeMap<>(cluster.brokerRegistrations()).values())
            b.append(" ").append(r.id()).append(":").append(r.fenced() ? "fenced" : "up")
                .append(r.inControlledShutdown() ? "-leaving" : "").append(":")
                .append(r.directories().size());
        topics.forEach((name, n) -> {
            for (int i = 0; i < n; i++) {
                PartitionRegistration p = partition(name, i);
                b.append(" ").append(name).append("-").append(i).append(":").append(p.leader)
                    .append("/").append(p.leaderEpoch).append("/").append(p.partitionEpoch)
                    .append("/").append(p.leaderRecoveryState.value());
                for (int[] v : List.of(p.isr, p.replicas, p.removingReplicas, p.addingReplicas,
                                       Arrays.stream(p.elr).sorted().toArray(), p.lastKnownElr))
                    b.append(":").append(ids(v));
                b.append(":").append(directories(p));
            }
        });
        System.out.println(b);
    }

    /* Not to be told: Kafka failed for a replica that is being added, whose directory it cannot
     * tell, or an ISR as it is was asked for, which is a change here. */
    static final String NOTHING = "-1";

    interface Event { String run(); }

    static void event(String text, Event e) {
        String answer;
        try {
            answer = e.run();
        } catch (ApiException x) {
            answer = "!" + Errors.forException(x).code();
        }
        if (!answer.equals(NOTHING))
            say(text, answer);
    }

    static String line(Object... v) {
        return Arrays.stream(v).map(Object::toString).collect(Collectors.joining("\t"));
    }

    /* --- events --- */

    static BrokerRegistration broker(int id) { return cluster.registration(id); }

    static void register(int id, boolean same, boolean inOrder) {
        BrokerRegistration r = broker(id);
        if (r != null && same && r.inControlledShutdown())
            return;         /* Kafka forgets that too */
        if (r != null && !same && cluster.heartbeatManager().hasValidSession(id, r.epoch()))
            return;
        int incarnation = incarnations.merge(id, same ? 0 : 1, Integer::sum);
        event(line("register", id, incarnation, inOrder ? 1 : 0), () -> {
            var q = new BrokerRegistrationRequestData().setBrokerId(id).setClusterId("cluster")
                .setIncarnationId(new Uuid(id, incarnation)).setRack(null)
                .setPreviousBrokerEpoch(inOrder && r != null ? r.epoch() : -1);
            q.features().add(new BrokerRegistrationRequestData.Feature()
                .setName("metadata.version").setMinSupportedVersion((short) 7)
                .setMaxSupportedVersion((short) 33));
            q.features().add(new BrokerRegistrationRequestData.Feature()
                .setName("eligible.leader.replicas.version").setMaxSupportedVersion((short) 1));
            if (level >= 17)
                q.setLogDirs(List.of(directory(id, 0), directory(id, 1)));
            replay(cluster.registerBroker(q, offset, new FinalizedControllerFeatures(
                Map.of("metadata.version", (short) level), Long.MAX_VALUE), true).records());
            broken.remove(id);
            return "0";
        });
        if (forgotten(id))
            beat(id, false, false, false, false, false);
    }

    static void beat(int id, boolean stale, boolean behind, boolean fence, boolean shut,
                     boolean offline) {
        event(line("beat", id, stale ? 1 : 0, behind ? 1 : 0, fence ? 1 : 0, shut ? 1 : 0,
                   offline ? 1 : 0), () -> {
            BrokerRegistration r = broker(id);
            long epoch = (r == null ? 0 : r.epoch()) - (stale ? 1 : 0);
            var at = cluster.registerBrokerRecordOffset(id);
            var q = new BrokerHeartbeatRequestData().setBrokerId(id).setBrokerEpoch(epoch)
                .setCurrentMetadataOffset(behind ? at.orElse(0) - 1 : offset - 1)
                .setWantFence(fence).setWantShutDown(shut);
            if (offline)
                q.setOfflineLogDirs(List.of(directory(id, 1)));
            if (at.isEmpty())
                return "!" + Errors.STALE_BROKER_EPOCH.code();
            if (!stale)
                cluster.trackBrokerHeartbeat(id, epoch);
            var result = replication.processBrokerHeartbeat(q, at.getAsLong());
            replay(result.records());
            BrokerHeartbeatReply a = result.response();
            if (a.inControlledShutdown())
                cluster.heartbeatManager().maybeUpdateControlledShutdownOffset(id, offset - 1);
            return (a.isCaughtUp() ? 1 : 0) + " " + (a.isFenced() ? 1 : 0) + " "
                + (a.shouldShutDown() ? 1 : 0);
        });
        if (!stale && forgotten(id))
            beat(id, false, false, false, false, offline);
    }

    /* Kafka forgets what a broker has applied when its state changes, and lets others that shut down
     * wait for its next heartbeat; we do not: it comes at once. */
    static boolean forgotten(int id) {
        return broker(id) != null && !broker(id).fenced() && cluster.heartbeatManager().brokers()
            .stream().anyMatch(s -> s.id() == id && s.metadataOffset() == -1 && !s.shuttingDown());
    }

    static void pass(long ms) {
        now += ms;
        System.out.println(line("time", ms));
    }

    static void expire() {
        /* Who is fenced is not fenced again. */
        for (BrokerRegistration r : cluster.brokerRegistrations().values())
            if (r.fenced())
                cluster.trackBrokerHeartbeat(r.id(), r.epoch());
        event("expire", () -> {
            for (;;) {
                var r = replication.maybeFenceOneStaleBroker();
                replay(r.records());
                if (!r.response())
                    return "0";
            }
        });
    }

    /* Everybody else is heard, so that this one alone is silent too long. */
    static void silence(int id) {
        for (int i = 0; i < 2; i++) {
            pass(5000);
            for (int other = 0; other < BROKERS; other++)
                if (other != id && broker(other) != null)
                    beat(other, false, false, broker(other).fenced(), false, broken.contains(other));
        }
        expire();
    }

    static void alter(String topic, int n) {
        PartitionRegistration p = partition(topic, n);
        int from = random.nextInt(8) == 0 ? random.nextInt(BROKERS) : p.leader;
        List<Integer> isr = new ArrayList<>();
        List<Boolean> wrong = new ArrayList<>();
        for (int r : p.replicas)
            if (r == p.leader ? random.nextInt(30) > 0
                : random.nextInt(10) > 0 ? cluster.isActive(r) && random.nextInt(4) > 0
                : random.nextBoolean())
                isr.add(r);
        if (random.nextInt(40) == 0)
            isr.add(random.nextInt(BROKERS + 1));
        Collections.shuffle(isr, random);
        isr.forEach(x -> wrong.add(random.nextInt(40) == 0));
        if (from < 0 || broker(from) == null)
            return;
        boolean stale = random.nextInt(30) == 0;
        int leaderEpoch = random.nextInt(20) == 0 ? random.nextInt(3) - 1 : 0;
        int partitionEpoch = random.nextInt(20) == 0 ? random.nextInt(3) - 1 : 0;
        int recovery = random.nextInt(20) == 0 ? 1 : 0;
        String text = IntStream.range(0, isr.size())
            .mapToObj(i -> isr.get(i) + (wrong.get(i) ? "!" : "")).collect(Collectors.joining(","));
        event(line("alter", from, stale ? 1 : 0, topic, n, leaderEpoch, partitionEpoch,
                   text.isEmpty() ? "-" : text, recovery), () -> {
            var part = new AlterPartitionRequestData.PartitionData().setPartitionIndex(n)
                .setLeaderEpoch(p.leaderEpoch + leaderEpoch)
                .setPartitionEpoch(p.partitionEpoch + partitionEpoch)
                .setLeaderRecoveryState((byte) recovery);
            for (int i = 0; i < isr.size(); i++) {
                BrokerRegistration r = broker(isr.get(i));
                part.newIsrWithEpochs().add(new AlterPartitionRequestData.BrokerState()
                    .setBrokerId(isr.get(i))
                    .setBrokerEpoch(r == null ? 0 : wrong.get(i) ? r.epoch() + 1 : r.epoch()));
            }
            var q = new AlterPartitionRequestData().setBrokerId(from)
                .setBrokerEpoch(broker(from).epoch() - (stale ? 1 : 0));
            q.topics().add(new AlterPartitionRequestData.TopicData()
                .setTopicId(replication.getTopicId(topic)).setPartitions(List.of(part)));
            var result = replication.alterPartition(context(ApiKeys.ALTER_PARTITION, 3), q);
            replay(result.records());
            var a = result.response().topics().get(0).partitions().get(0);
            if (a.errorCode() == 0 && result.records().isEmpty())
                return NOTHING;
            return a.errorCode() != 0 ? "" + a.errorCode()
                : "0 " + a.leaderId() + " " + a.leaderEpoch() + " " + a.partitionEpoch() + " "
                    + a.leaderRecoveryState() + " "
                    + ids(a.isr().stream().mapToInt(i -> i).toArray());
        });
    }

    static void elect(int type, String topic, int n) {
        event(line("elect", type, topic, n), () -> {
            var q = new ElectLeadersRequestData().setElectionType((byte) type);
            q.topicPartitions().add(new ElectLeadersRequestData.TopicPartitions().setTopic(topic)
                .setPartitions(List.of(n)));
            var result = replication.electLeaders(q);
            replay(result.records());
            return "" + result.response().replicaElectionResults().get(0).partitionResult().get(0)
                .errorCode();
        });
    }

    static void reassign(String topic, int n) {
        List<Integer> to = new ArrayList<>();
        for (int i = 0; i < BROKERS; i++)
            to.add(i);
        Collections.shuffle(to, random);
        to = random.nextInt(3) == 0 ? null : to.subList(0, 1 + random.nextInt(3));
        if (to != null && random.nextInt(20) == 0)
            to = List.of(to.get(0), to.get(0));
        boolean factor = random.nextInt(4) > 0;
        List<Integer> want = to;
        /* Kafka makes a last known leader -1 then. */
        if (partition(topic, n).leader < 0 && partition(topic, n).lastKnownElr.length == 0)
            return;
        event(line("reassign", topic, n, to == null ? "-"
                   : ids(to.stream().mapToInt(i -> i).toArray()), factor ? 1 : 0), () -> {
            var t = new AlterPartitionReassignmentsRequestData.ReassignableTopic().setName(topic);
            t.partitions().add(new AlterPartitionReassignmentsRequestData.ReassignablePartition()
                .setPartitionIndex(n).setReplicas(want));
            var q = new AlterPartitionReassignmentsRequestData()
                .setAllowReplicationFactorChange(factor);
            q.topics().add(t);
            var result = replication.alterPartitionReassignments(q);
            replay(result.records());
            return "" + result.response().responses().get(0).partitions().get(0).errorCode();
        });
    }

    static void assign(int id, int which, String topic, int n) {
        if (broker(id) == null)
            return;
        event(line("assign", id, which, topic, n), () -> {
            var t = new AssignReplicasToDirsRequestData.TopicData()
                .setTopicId(replication.getTopicId(topic));
            t.partitions().add(new AssignReplicasToDirsRequestData.PartitionData()
                .setPartitionIndex(n));
            var d = new AssignReplicasToDirsRequestData.DirectoryData().setId(directory(id, which));
            d.topics().add(t);
            var q = new AssignReplicasToDirsRequestData().setBrokerId(id)
                .setBrokerEpoch(broker(id).epoch());
            q.directories().add(d);
            var result = replication.handleAssignReplicasToDirs(q);
            replay(result.records());
            return "" + result.response().directories().get(0).topics().get(0).partitions().get(0)
                .errorCode();
        });
    }

    static void topic(String name) {
        List<List<Integer>> parts = new ArrayList<>();
        int factor = 1 + random.nextInt(3);
        for (int i = 0; i < 1 + random.nextInt(2); i++) {
            List<Integer> all = IntStream.range(0, BROKERS).boxed().collect(Collectors.toList());
            Collections.shuffle(all, random);
            parts.add(all.subList(0, factor));
        }
        int min = 1 + random.nextInt(3);
        boolean unclean = random.nextInt(3) == 0;
        List<Object> text = new ArrayList<>(List.of("topic", name, min, unclean));
        parts.forEach(p -> text.add(ids(p.stream().mapToInt(i -> i).toArray())));
        var t = new CreateTopicsRequestData.CreatableTopic().setName(name).setNumPartitions(-1)
            .setReplicationFactor((short) -1);
        t.configs().add(new CreateTopicsRequestData.CreatableTopicConfig()
            .setName("min.insync.replicas").setValue("" + min));
        t.configs().add(new CreateTopicsRequestData.CreatableTopicConfig()
            .setName("unclean.leader.election.enable").setValue("" + unclean));
        for (int i = 0; i < parts.size(); i++)
            t.assignments().add(new CreateTopicsRequestData.CreatableReplicaAssignment()
                .setPartitionIndex(i).setBrokerIds(parts.get(i)));
        var q = new CreateTopicsRequestData();
        q.topics().add(t);
        event(line(text.toArray()), () -> {
            var result = replication.createTopics(context(ApiKeys.CREATE_TOPICS, 7), q,
                Set.of(name), false);
            replay(result.records());
            int code = result.response().topics().find(name).errorCode();
            if (code == 0)
                topics.put(name, parts.size());
            return "" + code;
        });
    }

    static void config(String topic) {
        boolean min = random.nextBoolean();
        String name = min ? "min.insync.replicas" : "unclean.leader.election.enable";
        String value = min ? "" + (1 + random.nextInt(3)) : "" + random.nextBoolean();
        event(line("config", topic, name, value), () -> {
            var r = configs.incrementalAlterConfigs(Map.of(
                new ConfigResource(ConfigResource.Type.TOPIC, topic),
                Map.of(name, Map.entry(
                    org.apache.kafka.clients.admin.AlterConfigOp.OpType.SET, value))), false, false);
            replay(r.records());
            return "" + r.response().values().iterator().next().error().code();
        });
    }

    static void life(int number) {
        random = new Random(number);
        now = 1000000;
        offset = 0;
        topics = new TreeMap<>();
        incarnations = new HashMap<>();
        broken = new HashSet<>();
        level = new int[] {11, 17, 25, 25, 30}[random.nextInt(5)];
        boolean elr = level >= 23 && random.nextInt(3) > 0;
        begin(elr);
        System.out.println(line("life", number, level, elr ? 1 : 0));
        for (int i = 0; i < BROKERS; i++) {
            register(i, false, false);
            beat(i, false, false, false, false, false);
        }
        for (int i = 0; i < 3; i++)
            topic("t" + i);
        for (int i = 0; i < 60; i++) {
            int id = random.nextInt(BROKERS);
            List<String> names = new ArrayList<>(topics.keySet());
            String t = names.get(random.nextInt(names.size()));
            int n = random.nextInt(topics.get(t));
            switch (random.nextInt(30)) {
                case 0: case 1: register(id, false, random.nextBoolean()); break;
                case 2: register(id, random.nextBoolean() && broker(id) != null, true); break;
                case 3: case 4: case 5: case 6: case 7:
                    beat(id, random.nextInt(20) == 0, random.nextInt(8) == 0, false, false,
                         broken.contains(id));
                    break;
                case 8: case 9: beat(id, false, false, true, random.nextInt(3) == 0,
                                     broken.contains(id)); break;
                case 10: case 11: case 12: beat(id, false, random.nextInt(8) == 0, false, true,
                                                broken.contains(id)); break;
                case 13: case 14: silence(id); break;
                case 15: case 16: case 17: case 18: case 19: alter(t, n); break;
                case 20: case 21: elect(random.nextInt(2), t, n); break;
                case 22: case 23: case 24: reassign(t, n); break;
                case 25: if (level >= 17) assign(id, random.nextInt(6) == 0 ? 2
                                                 : random.nextInt(2), t, n); break;
                case 26: config(t); break;
                case 27: if (broker(id) != null && random.nextInt(3) == 0) {
                        event(line("unregister", id), () -> {
                            replay(replication.unregisterBroker(id).records());
                            return "0";
                        });
                    }
                    break;
                case 28: event("preferred", () -> {
                        replay(replication.maybeBalancePartitionLeaders().records());
                        return "0";
                    });
                    break;
                case 29:
                    if (random.nextBoolean()) {
                        event("unclean", () -> {
                            replay(replication.maybeElectUncleanLeaders().records());
                            return "0";
                        });
                    } else if (level >= 17 && broker(id) != null && broker(id).directories().size() > 1) {
                        broken.add(id);
                        beat(id, false, false, false, false, true);
                    }
                    break;
            }
        }
    }

    public static void main(String[] args) {
        for (int i = 0; i < Integer.parseInt(args[0]); i++)
            life(i);
    }
}
