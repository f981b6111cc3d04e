/* Random groups, and what Apache Kafka's own server-side assignors give their members.
 *
 * stdout, a line each, fields with tabs between: "group ASSIGNOR homogeneous|mixed"; "topic ID
 * PARTITIONS"; "member ID INSTANCE|- TOPIC,..." (topics by index); then a "had" and a "gets" for
 * each member and topic: "MEMBER TOPIC PARTITION,..." (by index). Everything that Kafka keeps in
 * hash maps is given in the order of ids, and topics of homogeneous groups have ids whose hashes
 * have that order too, so that its answer does not hang on the order of hashes. */
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.*;
import org.apache.kafka.coordinator.group.modern.*;

public class MakeAssign {
    static final Random random = new Random(848);

    static class Member {
        String id, instance, rack;
        SortedSet<Integer> topics = new TreeSet<>();
        SortedMap<Integer, SortedSet<Integer>> has = new TreeMap<>();
    }

    record Topic(Uuid id, int partitions) { }

    static List<Topic> topics;
    static SortedMap<String, Member> members;

    public static void main(String[] args) {
        for (int i = 0; i < 40; i++)
            for (String assignor : new String[] {"range", "uniform"})
                for (boolean homogeneous : new boolean[] {true, false})
                    life(assignor, homogeneous);
    }

    /* One group from its first member on: each step is a case, which begins where the last ended. */
    static void life(String assignor, boolean homogeneous) {
        members = new TreeMap<>();
        int n = 1 + random.nextInt(homogeneous ? 6 : 9);
        SortedSet<Uuid> ids = new TreeSet<>();
        for (long i = 0; ids.size() < n; i++)
            ids.add(homogeneous ? new Uuid(0, 2 + i) : new Uuid(random.nextLong(), random.nextLong()));
        topics = ids.stream().map(id -> new Topic(id, 1 + random.nextInt(12))).toList();
        SortedSet<Integer> subscription = some();
        for (int step = 0; step < 6; step++) {
            for (int i = random.nextInt(4); i > 0; i--)
                join(homogeneous ? subscription : some());
            if (members.size() > 1 && random.nextInt(3) == 0)
                members.remove(members.firstKey());
            if (homogeneous && random.nextInt(3) == 0) {
                subscription = some();
                for (Member m : members.values())
                    m.topics = subscription;
            } else if (!homogeneous)
                for (Member m : members.values())
                    if (random.nextInt(4) == 0)
                        m.topics = some();
            if (random.nextInt(3) == 0)
                topics = topics.stream()
                    .map(t -> new Topic(t.id, t.partitions + random.nextInt(3))).toList();
            if (!members.isEmpty())
                assign(assignor, homogeneous);
        }
    }

    static SortedSet<Integer> some() {
        SortedSet<Integer> s = new TreeSet<>();
        for (int i = 0; i < topics.size(); i++)
            if (random.nextInt(3) > 0)
                s.add(i);
        return s;
    }

    static void join(SortedSet<Integer> subscription) {
        Member m = new Member();
        m.id = String.format("m%04x", random.nextInt(65536));
        m.instance = random.nextInt(4) == 0 ? "i" + random.nextInt(1000) : null;
        m.rack = random.nextInt(3) == 0 ? "r" + random.nextInt(3) : null;
        m.topics = subscription;
        if (members.values().stream().noneMatch(o -> o.instance != null &&
                o.instance.equals(m.instance)))
            members.putIfAbsent(m.id, m);
    }

    static void assign(String assignor, boolean homogeneous) {
        Map<String, MemberSubscriptionAndAssignmentImpl> spec = new LinkedHashMap<>();
        Map<Uuid, Map<Integer, String>> owners = new HashMap<>();
        for (Member m : members.values()) {
            Map<Uuid, Set<Integer>> has = new LinkedHashMap<>();
            m.has.forEach((t, partitions) -> {
                has.put(topics.get(t).id, partitions);
                for (int p : partitions)
                    owners.computeIfAbsent(topics.get(t).id, k -> new HashMap<>()).put(p, m.id);
            });
            spec.put(m.id, new MemberSubscriptionAndAssignmentImpl(
                Optional.ofNullable(m.rack), Optional.ofNullable(m.instance),
                m.topics.stream().map(t -> topics.get(t).id)
                    .collect(Collectors.toCollection(LinkedHashSet::new)),
                new Assignment(has)));
        }
        ConsumerGroupPartitionAssignor a =
            assignor.equals("range") ? new RangeAssignor() : new UniformAssignor();
        Map<String, MemberAssignment> given = a.assign(
            new GroupSpecImpl(spec, homogeneous ? SubscriptionType.HOMOGENEOUS
                : SubscriptionType.HETEROGENEOUS, owners), new Describer()).members();

        print("group", assignor, homogeneous ? "homogeneous" : "mixed");
        for (Topic t : topics)
            print("topic", t.id, t.partitions);
        for (Member m : members.values())
            print("member", m.id, m.instance == null ? "-" : m.instance, list(m.topics));
        assignments("had");
        for (Member m : members.values()) {
            m.has = new TreeMap<>();
            if (given.containsKey(m.id))
                given.get(m.id).partitions().forEach((id, partitions) -> {
                    if (!partitions.isEmpty())
                        m.has.put(index(id), new TreeSet<>(partitions));
                });
        }
        assignments("gets");
    }

    static int index(Uuid id) {
        for (int i = 0; ; i++)
            if (topics.get(i).id.equals(id))
                return i;
    }

    static void assignments(String word) {
        int i = 0;
        for (Member m : members.values()) {
            for (var e : m.has.entrySet())
                print(word, i, e.getKey(), list(e.getValue()));
            i++;
        }
    }

    static String list(Collection<Integer> v) {
        return v.stream().map(String::valueOf).collect(Collectors.joining(","));
    }

    static void print(Object... fields) {
        System.out.println(Arrays.stream(fields).map(String::valueOf)
            .collect(Collectors.joining("\t")));
    }

    static class Describer implements SubscribedTopicDescriber {
        public int numPartitions(Uuid id) {
            return topics.get(index(id)).partitions;
        }
        public Set<String> racksForPartition(Uuid id, int partition) {
            return Set.of("r" + partition % 3);
        }
    }
}
