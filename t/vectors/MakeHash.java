/* Hashes of the metadata of topics, by Apache Kafka's own Utils. Brokers 0 to 4 are in the racks
 * below, "-" is none.
 *
 * stdout, fields with tabs between: "topic NAME ID REPLICAS,...;REPLICAS,... HASH", replicas by
 * partition; then "group HASH" of all the topics since the last one. */
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.common.runtime.*;
import org.apache.kafka.coordinator.group.Utils;

public class MakeHash {
    static final String[] RACKS = {"rack-b", "rack-a", null, "rack-a", "r"};
    static final Random random = new Random(64);

    record Topic(String name, Uuid id, List<List<Integer>> replicas)
            implements CoordinatorMetadataImage.TopicMetadata {
        public int partitionCount() { return replicas.size(); }
        public List<String> partitionRacks(int p) {
            return replicas.get(p).stream().map(r -> RACKS[r]).filter(Objects::nonNull)
                .collect(Collectors.toCollection(ArrayList::new));
        }
    }
    record Image(Topic topic) implements CoordinatorMetadataImage {
        public Set<Uuid> topicIds() { return Set.of(topic.id); }
        public Set<String> topicNames() { return Set.of(topic.name); }
        public Optional<TopicMetadata> topicMetadata(String name) { return Optional.of(topic); }
        public Optional<TopicMetadata> topicMetadata(Uuid id) { return Optional.of(topic); }
        public CoordinatorMetadataDelta emptyDelta() { return CoordinatorMetadataDelta.EMPTY; }
        public long version() { return 1; }
        public boolean isEmpty() { return false; }
    }

    public static void main(String[] args) {
        for (int group = 0; group < 12; group++) {
            Map<String, Long> hashes = new HashMap<>();
            for (int i = random.nextInt(5) + 1; i > 0; i--) {
                List<List<Integer>> replicas = new ArrayList<>();
                for (int p = 1 + random.nextInt(group < 10 ? 6 : 200); p > 0; p--) {
                    List<Integer> r = new ArrayList<>(List.of(0, 1, 2, 3, 4));
                    Collections.shuffle(r, random);
                    replicas.add(r.subList(0, 1 + random.nextInt(4)));
                }
                Topic t = new Topic("topic-" + "x".repeat(random.nextInt(9)) + group + "." + i,
                    new Uuid(random.nextLong(), random.nextLong()), replicas);
                long hash = Utils.computeTopicHash(t.name, new Image(t));
                hashes.put(t.name, hash);
                System.out.println("topic\t" + t.name + "\t" + t.id + "\t"
                    + replicas.stream().map(r -> r.stream().map(String::valueOf)
                        .collect(Collectors.joining(","))).collect(Collectors.joining(";"))
                    + "\t" + hash);
            }
            System.out.println("group\t" + Utils.computeGroupHash(hashes));
        }
    }
}
