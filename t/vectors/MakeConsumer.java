/* Random lives of consumer groups, with members of both protocols, and what Apache Kafka's own
 * GroupMetadataManager answers to them. Its clock, timers and metadata are ours.
 *
 * stdout, fields with tabs between: "life N INTERVAL-MS" begins one; "topic NAME ID PARTITIONS" is
 * made or grows; "time MS" goes by. Requests name a member by its label, which is its id but for
 * classic members, whose ids the coordinator gives:
 *     beat LABEL EPOCH INSTANCE REBALANCE-MS NAMES ASSIGNOR OWNED
 *     join LABEL HOW INSTANCE SESSION-MS REBALANCE-MS METADATA   HOW: id none, known, label
 *     sync LABEL GENERATION INSTANCE LABEL:ASSIGNMENT,...
 *     heartbeat LABEL GENERATION INSTANCE
 *     leave LABEL INSTANCE
 * "-" is null. A set of partitions is NAME:P,P;NAME:P; metadata and assignments are hex. After each
 * come its answers and those of requests that waited, sorted, "= LABEL ...", and the group as it is
 * then, "@ ...". */
package org.apache.kafka.coordinator.group;

import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Supplier;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.security.auth.*;
import org.apache.kafka.common.utils.*;
import org.apache.kafka.common.utils.internals.LogContext;
import org.apache.kafka.coordinator.common.runtime.*;
import org.apache.kafka.coordinator.group.classic.*;
import org.apache.kafka.coordinator.group.generated.*;
import org.apache.kafka.coordinator.group.metrics.GroupCoordinatorMetricsShard;
import org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroup;
import org.apache.kafka.coordinator.group.modern.share.ShareGroupConfig;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.timeline.SnapshotRegistry;

public class MakeConsumer {
    static Random random;
    static long now;
    static GroupMetadataManager manager;
    static SortedMap<String, Due> timers;
    static long order;
    static SortedMap<String, Topic> topics;
    static SortedMap<String, Client> clients;
    static Map<String, String> labels;
    static List<Supplier<String>> answers;  // in words once all ids are known
    static int next;
    static boolean open;                    // what comes hangs on the order of hashes
    static StringBuilder lines;

    record Due(long at, long order, CoordinatorTimer.TimeoutOperation<CoordinatorRecord> run) { }
    record Topic(String name, Uuid id, int partitionCount)
            implements CoordinatorMetadataImage.TopicMetadata {
        public List<String> partitionRacks(int p) { return new ArrayList<>(); }
    }
    static class Client {
        String label, id, instance;
        boolean classic, in, joining, owes, away;
        int epoch, rebalance = 20000 + random.nextInt(40) * 1001, session = 30000;
        int kept;
        List<String> names;
        SortedMap<String, SortedSet<Integer>> has = new TreeMap<>(), told = new TreeMap<>();
        List<String> ids;           // of all members, when it leads
    }

    static List<String> members(Client leader) {
        return leader.ids.stream().map(id -> labels.getOrDefault(id, "?")).sorted().toList();
    }

    static void answer(String text) {
        answers.add(() -> text);
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < Integer.parseInt(args[0]); i++)
            life(i);
    }

    /* --- Kafka's surroundings --- */

    static class Clock implements Time {
        public long milliseconds() { return now; }
        public long nanoseconds() { return now * 1000000; }
        public void sleep(long ms) { }
    }
    static class Timers implements CoordinatorTimer<CoordinatorRecord> {
        public void schedule(String key, long delay, TimeUnit unit, boolean retry,
                             TimeoutOperation<CoordinatorRecord> op) {
            timers.put(key, new Due(now + unit.toMillis(delay), order++, op));
        }
        public void schedule(String key, long delay, TimeUnit unit, boolean retry, long backoff,
                             TimeoutOperation<CoordinatorRecord> op) {
            schedule(key, delay, unit, retry, op);
        }
        public void scheduleIfAbsent(String key, long delay, TimeUnit unit, boolean retry,
                                     TimeoutOperation<CoordinatorRecord> op) {
            if (!timers.containsKey(key))
                schedule(key, delay, unit, retry, op);
        }
        public void cancel(String key) { timers.remove(key); }
        public boolean isScheduled(String key) { return timers.containsKey(key); }
    }
    static class Executor implements CoordinatorExecutor<CoordinatorRecord> {
        public <R> boolean schedule(String key, TaskRunnable<R> task,
                                    TaskOperation<CoordinatorRecord, R> operation) {
            throw new IllegalStateException("no expressions here");
        }
        public boolean isScheduled(String key) { return false; }
        public void cancel(String key) { }
    }
    static class Image implements CoordinatorMetadataImage {
        final SortedMap<String, Topic> all = new TreeMap<>(topics);
        public Set<Uuid> topicIds() {
            return all.values().stream().map(Topic::id).collect(Collectors.toSet());
        }
        public Set<String> topicNames() { return all.keySet(); }
        public Optional<TopicMetadata> topicMetadata(String name) {
            return Optional.ofNullable(all.get(name));
        }
        public Optional<TopicMetadata> topicMetadata(Uuid id) {
            return all.values().stream().filter(t -> t.id().equals(id))
                .map(t -> (TopicMetadata) t).findFirst();
        }
        public CoordinatorMetadataDelta emptyDelta() { return CoordinatorMetadataDelta.EMPTY; }
        public long version() { return 1; }
        public boolean isEmpty() { return all.isEmpty(); }
    }
    record Context(String clientId, int requestVersion) implements AuthorizableRequestContext {
        public String listenerName() { return "PLAINTEXT"; }
        public SecurityProtocol securityProtocol() { return SecurityProtocol.PLAINTEXT; }
        public KafkaPrincipal principal() { return KafkaPrincipal.ANONYMOUS; }
        public InetAddress clientAddress() { return InetAddress.getLoopbackAddress(); }
        public int requestType() { return 0; }
        public int correlationId() { return 0; }
    }

    static void replay(CoordinatorRecord r) throws Exception {
        Class<?> key = r.key().getClass();
        Class<?> value = Class.forName(key.getName().replaceAll("Key$", "Value"));
        if (r.key() instanceof GroupMetadataKey k)
            manager.replay(k, r.value() == null ? null : (GroupMetadataValue) r.value().message());
        else
            manager.getClass().getMethod("replay", key, value)
                .invoke(manager, r.key(), r.value() == null ? null : r.value().message());
    }

    static <T> T apply(CoordinatorResult<T, CoordinatorRecord> result) throws Exception {
        if (result.replayRecords())
            for (CoordinatorRecord r : result.records())
                replay(r);
        if (result.appendFuture() != null)
            result.appendFuture().complete(null);
        return result.response();
    }

    static void pass(long ms) throws Exception {
        long until = now + ms;
        while (true) {
            var first = timers.entrySet().stream()
                .min(Comparator.comparingLong((Map.Entry<String, Due> e) -> e.getValue().at())
                    .thenComparingLong(e -> e.getValue().order()));
            if (first.isEmpty() || first.get().getValue().at() > until)
                break;
            Due due = first.get().getValue();
            now = Math.max(now, due.at());
            timers.remove(first.get().getKey());    // and the entry may be another then
            apply(due.run().generateRecords());
        }
        now = until;
    }

    /* --- a life --- */

    static void life(int n) throws Exception {
        random = new Random(n * 848L + 1);
        now = 1700000000000L;
        timers = new TreeMap<>();
        topics = new TreeMap<>();
        clients = new TreeMap<>();
        labels = new HashMap<>();
        answers = new ArrayList<>();
        next = 0;
        open = false;
        lines = new StringBuilder();
        int interval = random.nextInt(2) * 1000;
        Map<String, Object> props = new HashMap<>();
        props.put("group.consumer.assignors", "range");
        props.put("group.consumer.assignment.interval.ms", String.valueOf(interval));
        var config = GroupCoordinatorConfig.fromProps(props);
        var registry = new SnapshotRegistry(new LogContext());
        for (int i = 1 + random.nextInt(3); i > 0; i--)
            topic();
        manager = new GroupMetadataManager.Builder().withSnapshotRegistry(registry)
            .withTime(new Clock()).withTimer(new Timers()).withExecutor(new Executor())
            .withConfig(config).withMetadataImage(new Image())
            .withGroupCoordinatorMetricsShard(new GroupCoordinatorMetricsShard(registry, Map.of(),
                new TopicPartition("__consumer_offsets", 0)))
            .withGroupConfigManager(new GroupConfigManager(config, new ShareGroupConfig(
                new AbstractConfig(org.apache.kafka.common.utils.Utils.mergeConfigs(List.of(
                    GroupCoordinatorConfig.CONFIG_DEF, ShareGroupConfig.CONFIG_DEF)), Map.of()))))
            .build();
        print("life", n, interval);
        for (Topic t : topics.values())
            print("topic", t.name, t.id, t.partitionCount);
        boolean mixed = n % 2 == 1, consumer = false;
        for (int i = 0; i < 60; i++) {
            event(mixed);
            flush();
            if (open)
                break;      // Kafka chose among members who may lead
            System.out.print(lines);
            lines.setLength(0);
            boolean is = manager.maybeGroup("g", Long.MAX_VALUE) instanceof ConsumerGroup;
            if (consumer && !is)
                break;      // who leads a group made classic hangs on the order of hashes
            consumer = is;
        }
    }

    static Topic topic() {
        Topic t = new Topic("t" + topics.size(), new Uuid(random.nextLong(), random.nextLong()),
            1 + random.nextInt(8));
        topics.put(t.name, t);
        return t;
    }

    static void event(boolean mixed) throws Exception {
        int dice = random.nextInt(100);
        if (dice < 4) {
            change();
        } else if (dice < 30) {
            long ms = dice < 6 ? 46001 : dice < 10 ? 12007 : 1 + random.nextInt(3000);
            print("time", ms);
            pass(ms);
        } else if (dice < 40 || clients.isEmpty()) {
            arrive(mixed);
        } else {
            List<Client> all = new ArrayList<>(clients.values());
            Client c = all.get(random.nextInt(all.size()));
            if (c.classic)
                act(c);
            else
                beat(c);
        }
    }

    static void change() {
        Topic t;
        Uuid made = null;
        if (topics.size() < 5 && random.nextBoolean()) {
            t = topic();
            made = t.id;
        } else {
            Topic old = topics.get("t" + random.nextInt(topics.size()));
            t = new Topic(old.name, old.id, old.partitionCount + 1);
            topics.put(t.name, t);
        }
        print("topic", t.name, t.id, t.partitionCount);
        Set<Uuid> created = made == null ? Set.of() : Set.of(made), changed = Set.of(t.id);
        Image image = new Image();
        manager.onMetadataUpdate(new CoordinatorMetadataDelta() {
            public Collection<Uuid> createdTopicIds() { return created; }
            public Collection<Uuid> changedTopicIds() { return changed; }
            public Set<Uuid> deletedTopicIds() { return Set.of(); }
            public CoordinatorMetadataImage image() { return image; }
        }, image);
    }

    static List<String> names() {
        List<String> v = new ArrayList<>();
        for (int i = 0; i < 5; i++)
            if (random.nextInt(3) > 0)
                v.add("t" + i);     // some are not there, or not yet
        Collections.shuffle(v, random);
        return v;
    }

    static void arrive(boolean mixed) throws Exception {
        Client c = new Client();
        c.classic = mixed && random.nextInt(3) > 0;
        c.label = String.format("%s%02d", c.classic ? "c" : "m", next++);
        c.id = c.label;
        c.names = random.nextInt(3) > 0 ? List.of("t0", "t1") : names();
        if (random.nextInt(4) == 0) {
            c.instance = "i" + random.nextInt(3);
            for (Client o : clients.values())
                if (c.instance.equals(o.instance) && !o.away && random.nextInt(4) > 0)
                    return;
        }
        clients.put(c.label, c);
        labels.put(c.label, c.label);
        if (c.classic)
            act(c);
        else
            beat(c);
    }

    /* --- the consumer protocol --- */

    static void beat(Client c) throws Exception {
        int dice = random.nextInt(100);
        int epoch = c.in ? c.epoch : 0;
        if (manager.maybeGroup("g", Long.MAX_VALUE) instanceof ClassicGroup g && !g.isEmpty()
                && g.protocolName().isEmpty())
            return;         // Kafka 4.4 fails with NoSuchElementException
        boolean joins = epoch == 0;
        SortedMap<String, SortedSet<Integer>> owned = joins ? new TreeMap<>() : null;
        List<String> names = joins ? c.names : null;
        String assignor = null;
        boolean full = joins;
        if (!joins) {
            if (dice < 60) {
                if (random.nextInt(3) > 0)
                    c.has = copy(c.told);           // has given back and taken
                owned = c.has;
            }
            if (dice > 90)
                names = c.names = names();
            if (dice == 61)
                epoch += random.nextInt(3) - 1;
            if (dice == 62)
                epoch = c.kept;                     // an answer was lost
            epoch = Math.max(epoch, 1);
            full = random.nextInt(10) == 0;
            if (dice == 63 || dice == 64) {
                epoch = c.instance != null && dice == 63 ? -2 : -1;
                owned = null;
                names = null;
                full = false;
            }
        }
        if (full) {
            names = c.names;
            owned = owned == null ? copy(c.told) : owned;
        }
        if (random.nextInt(20) == 0)
            assignor = "range";
        var in = new ConsumerGroupHeartbeatRequestData().setGroupId("g").setMemberId(c.id)
            .setMemberEpoch(epoch).setInstanceId(c.instance)
            .setRebalanceTimeoutMs(full ? c.rebalance : -1)
            .setSubscribedTopicNames(names).setServerAssignor(assignor);
        if (owned != null) {
            in.setTopicPartitions(new ArrayList<>());
            owned.forEach((t, p) -> in.topicPartitions().add(
                new ConsumerGroupHeartbeatRequestData.TopicPartitions()
                    .setTopicId(topics.get(t).id).setPartitions(new ArrayList<>(p))));
        }
        print("beat", c.label, epoch, text(c.instance), in.rebalanceTimeoutMs(), list(names),
            text(assignor), owned == null ? "-" : parts(owned));
        try {
            var out = apply(manager.consumerGroupHeartbeat(new Context("client-" + c.label, 1),
                in));
            SortedMap<String, SortedSet<Integer>> told = null;
            if (out.assignment() != null) {
                told = new TreeMap<>();
                for (var p : out.assignment().topicPartitions())
                    told.put(name(p.topicId()), new TreeSet<>(p.partitions()));
                c.told = told;
            }
            answer(c.label + "\tNONE\t" + out.memberEpoch() + "\t"
                + (told == null ? "-" : parts(told)));
            if (epoch < 0) {
                clients.remove(c.label);
                if (epoch == -2) {
                    Client again = new Client();
                    again.label = again.id = String.format("m%02d", next++);
                    again.instance = c.instance;
                    again.names = c.names;
                    labels.put(again.label, again.label);
                    clients.put(again.label, again);
                }
                return;
            }
            if (!c.in || joins)
                c.has = new TreeMap<>();
            c.in = true;
            if (out.memberEpoch() != c.epoch)
                c.kept = c.epoch;
            c.epoch = out.memberEpoch();
        } catch (org.apache.kafka.common.errors.ApiException e) {
            Errors error = Errors.forException(e);
            answer(c.label + "\t" + error);
            c.in = false;
            if (error == Errors.UNRELEASED_INSTANCE_ID || error == Errors.FENCED_INSTANCE_ID)
                clients.remove(c.label);
        }
    }

    /* --- the classic protocol --- */

    static boolean consumerGroup() {
        Group g = manager.maybeGroup("g", Long.MAX_VALUE);
        return g instanceof ConsumerGroup && !g.isEmpty();
    }

    static void act(Client c) throws Exception {
        if (c.joining)
            return;
        if (!c.in || c.away) {
            if (random.nextInt(8) == 0 && c.in)
                c.names = names();
            join(c);
        } else if (c.owes)
            sync(c);
        else if (random.nextInt(12) == 0)
            leave(c);
        else
            heartbeat(c);
    }

    static void join(Client c) throws Exception {
        if (manager.maybeGroup("g", Long.MAX_VALUE) instanceof ConsumerGroup g && g.isEmpty())
            gone(c);        // Kafka 4.4 forgets such a group, and has it again when it loads
        boolean known = !c.id.isEmpty() && !c.id.equals(c.label);
        String how = c.in || known ? "known" : c.instance == null && consumerGroup() ? "label"
            : "none";
        if (how.equals("label"))
            c.id = c.label;
        if (c.in && !known)
            how = "label";
        var subscription = new ConsumerPartitionAssignor.Subscription(c.names, null,
            c.has.entrySet().stream().flatMap(e -> e.getValue().stream()
                .map(p -> new TopicPartition(e.getKey(), p))).toList());
        byte[] metadata = bytes(ConsumerProtocol.serializeSubscription(subscription));
        var protocols = new JoinGroupRequestData.JoinGroupRequestProtocolCollection();
        protocols.add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName("range")
            .setMetadata(metadata));
        var in = new JoinGroupRequestData().setGroupId("g").setMemberId(how.equals("none") ? ""
            : c.id).setGroupInstanceId(c.instance).setProtocolType("consumer")
            .setSessionTimeoutMs(c.session).setRebalanceTimeoutMs(c.rebalance)
            .setProtocols(protocols);
        print("join", c.label, how, text(c.instance), c.session, c.rebalance, hex(metadata));
        var future = new CompletableFuture<JoinGroupResponseData>();
        c.joining = true;
        future.thenAccept(out -> joined(c, out));
        try {
            apply(manager.classicGroupJoin(new Context(c.label, 9), in, future, true));
        } catch (org.apache.kafka.common.errors.ApiException e) {
            future.complete(new JoinGroupResponseData().setMemberId(in.memberId())
                .setErrorCode(Errors.forException(e).code()));
        }
    }

    static void joined(Client c, JoinGroupResponseData out) {
        Errors error = Errors.forCode(out.errorCode());
        c.joining = false;
        if (error == Errors.NONE || error == Errors.MEMBER_ID_REQUIRED) {
            c.id = out.memberId();
            labels.put(c.id, c.label);
        }
        if (error != Errors.NONE) {
            answer(c.label + "\tjoin\t" + error);
            if (error != Errors.MEMBER_ID_REQUIRED && error != Errors.REBALANCE_IN_PROGRESS)
                gone(c);
            return;
        }
        c.in = c.owes = true;
        c.away = false;
        c.epoch = out.generationId();
        c.ids = out.leader().equals(c.id) ? out.members().stream()
            .map(JoinGroupResponseData.JoinGroupResponseMember::memberId).toList() : null;
        String text = c.label + "\tjoin\tNONE\t" + c.epoch + "\t" + out.protocolName() + "\t";
        open |= c.ids != null && clients.values().stream().anyMatch(o -> o.classic && o.in
            && o.label.compareTo(c.label) < 0);
        answers.add(() -> text + (c.ids == null ? "-" : String.join(",", members(c))));
    }

    static void gone(Client c) {
        c.in = c.owes = c.away = false;
        c.id = c.label;
        c.has = new TreeMap<>();
    }

    /* A leader gives partitions in turn. */
    static void sync(Client c) throws Exception {
        var in = new SyncGroupRequestData().setGroupId("g").setMemberId(c.id)
            .setGenerationId(c.epoch).setGroupInstanceId(c.instance).setProtocolType("consumer")
            .setProtocolName("range");
        List<String> given = new ArrayList<>();
        if (c.ids != null) {
            List<String> members = members(c);
            SortedMap<String, List<TopicPartition>> all = new TreeMap<>();
            members.forEach(m -> all.put(m, new ArrayList<>()));
            int i = 0;
            for (Topic t : topics.values())
                for (int p = 0; p < t.partitionCount; p++) {
                    String m = members.get(i++ % members.size());
                    if (clients.containsKey(m) && clients.get(m).names.contains(t.name))
                        all.get(m).add(new TopicPartition(t.name, p));
                }
            all.forEach((m, v) -> {
                byte[] b = bytes(ConsumerProtocol.serializeAssignment(
                    new ConsumerPartitionAssignor.Assignment(v)));
                String id = labels.entrySet().stream().filter(e -> e.getValue().equals(m)
                    && clients.containsKey(m) && clients.get(m).id.equals(e.getKey()))
                    .map(Map.Entry::getKey).findFirst().orElse(m);
                in.assignments().add(new SyncGroupRequestData.SyncGroupRequestAssignment()
                    .setMemberId(id).setAssignment(b));
                given.add(m + ":" + hex(b));
            });
        }
        print("sync", c.label, c.epoch, text(c.instance), given.isEmpty() ? "-"
            : String.join(",", given));
        var future = new CompletableFuture<SyncGroupResponseData>();
        c.joining = true;
        future.thenAccept(out -> synced(c, out));
        try {
            apply(manager.classicGroupSync(new Context(c.label, 5), in, future));
        } catch (org.apache.kafka.common.errors.ApiException e) {
            future.complete(new SyncGroupResponseData()
                .setErrorCode(Errors.forException(e).code()));
        }
    }

    static void synced(Client c, SyncGroupResponseData out) {
        Errors error = Errors.forCode(out.errorCode());
        c.joining = c.owes = false;
        if (error != Errors.NONE) {
            answer(c.label + "\tsync\t" + error);
            react(c, error);
            return;
        }
        c.has = new TreeMap<>();
        if (out.assignment().length > 0)
            for (TopicPartition p : ConsumerProtocol.deserializeAssignment(
                    ByteBuffer.wrap(out.assignment())).partitions())
                c.has.computeIfAbsent(p.topic(), k -> new TreeSet<>()).add(p.partition());
        answer(c.label + "\tsync\tNONE\t" + parts(c.has));
    }

    static void react(Client c, Errors error) {
        if (error == Errors.REBALANCE_IN_PROGRESS)
            c.away = true;
        else
            gone(c);
    }

    static void heartbeat(Client c) throws Exception {
        var in = new HeartbeatRequestData().setGroupId("g").setMemberId(c.id)
            .setGenerationId(c.epoch).setGroupInstanceId(c.instance);
        Errors error;
        print("heartbeat", c.label, c.epoch, text(c.instance));
        try {
            error = Errors.forCode(apply(manager.classicGroupHeartbeat(new Context(c.label, 4),
                in)).errorCode());
        } catch (org.apache.kafka.common.errors.ApiException e) {
            error = Errors.forException(e);
        }
        answer(c.label + "\theartbeat\t" + error);
        if (error != Errors.NONE)
            react(c, error);
    }

    static void leave(Client c) throws Exception {
        var in = new LeaveGroupRequestData().setGroupId("g").setMembers(List.of(
            new LeaveGroupRequestData.MemberIdentity().setMemberId(c.id)
                .setGroupInstanceId(c.instance)));
        print("leave", c.label, text(c.instance));
        Errors error;
        try {
            error = Errors.forCode(apply(manager.classicGroupLeave(new Context(c.label, 5), in))
                .members().get(0).errorCode());
        } catch (org.apache.kafka.common.errors.ApiException e) {
            error = Errors.forException(e);
        }
        answer(c.label + "\tleave\t" + error);
        clients.remove(c.label);
    }

    /* --- what came of it --- */

    static void flush() {
        answers.stream().map(Supplier::get).sorted()
            .forEach(a -> print("=", a));
        answers.clear();
        Group g = manager.maybeGroup("g", Long.MAX_VALUE);
        if (g instanceof ConsumerGroup)
            describe(manager.consumerGroupDescribe(List.of("g"), Long.MAX_VALUE).get(0));
        else if (g instanceof ClassicGroup c)
            print("@", "classic", c.stateAsString(), c.generationId(),
                c.allMembers().stream().map(m -> labels.getOrDefault(m.memberId(), m.clientId())
                    + "/" + assignment(m.assignment())).sorted().collect(Collectors.joining(" ")));
        else
            print("@", "none");
    }

    static String assignment(byte[] b) {
        if (b == null || b.length == 0)
            return "";
        SortedMap<String, SortedSet<Integer>> v = new TreeMap<>();
        for (TopicPartition p : ConsumerProtocol.deserializeAssignment(ByteBuffer.wrap(b))
                .partitions())
            v.computeIfAbsent(p.topic(), k -> new TreeSet<>()).add(p.partition());
        return parts(v);
    }

    static void describe(ConsumerGroupDescribeResponseData.DescribedGroup g) {
        print("@", "consumer", g.groupState(), g.groupEpoch(), g.assignmentEpoch(),
            g.members().stream().map(m -> labels.getOrDefault(m.memberId(), "?") + "/" + m.memberEpoch() + "/"
                + m.memberType() + "/" + parts(m.assignment()) + "/"
                + parts(m.targetAssignment())).sorted().collect(Collectors.joining(" ")));
    }

    static String parts(ConsumerGroupDescribeResponseData.Assignment a) {
        SortedMap<String, SortedSet<Integer>> v = new TreeMap<>();
        for (var t : a.topicPartitions())
            v.put(t.topicName(), new TreeSet<>(t.partitions()));
        return parts(v);
    }

    static String parts(SortedMap<String, SortedSet<Integer>> v) {
        return v.entrySet().stream().filter(e -> !e.getValue().isEmpty())
            .map(e -> e.getKey() + ":" + e.getValue().stream().map(String::valueOf)
                .collect(Collectors.joining(","))).collect(Collectors.joining(";"));
    }

    static SortedMap<String, SortedSet<Integer>> copy(SortedMap<String, SortedSet<Integer>> v) {
        SortedMap<String, SortedSet<Integer>> c = new TreeMap<>();
        v.forEach((t, p) -> c.put(t, new TreeSet<>(p)));
        return c;
    }

    static String name(Uuid id) {
        return topics.values().stream().filter(t -> t.id.equals(id)).findFirst().get().name;
    }

    static byte[] bytes(ByteBuffer b) {
        byte[] v = new byte[b.remaining()];
        b.get(v);
        return v;
    }

    static String hex(byte[] b) {
        return HexFormat.of().formatHex(b);
    }

    static String text(String s) {
        return s == null ? "-" : s;
    }

    static String list(List<String> v) {
        return v == null ? "-" : String.join(",", v);
    }

    static void print(Object... fields) {
        lines.append(Arrays.stream(fields).map(String::valueOf)
            .collect(Collectors.joining("\t"))).append('\n');
    }
}
