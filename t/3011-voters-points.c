/* One voter of three dies before each system call that changes files, as it starts, votes, follows,
 * leads and makes snapshots: all that was acknowledged is there after its restart, on all nodes.
 * POINTS=n deaths (12), spread over all calls; POINTS=0 is at every call. */
#include "voters.h"

static int64_t value = 1000;

static bool is_dead(struct node *n)
{
	if (n->pid[ELECT] > 0 && waitpid(n->pid[ELECT], NULL, WNOHANG) == n->pid[ELECT])
		n->pid[ELECT] = 0;
	return n->pid[ELECT] <= 0;
}

/* The other two and this one are driven through elections, a follower's and a leader's work; false:
 * it lived through all of it. */
static bool dies_at(int call)
{
	struct node *n = &nodes[0];
	int i;

	end(n, ELECT, SIGKILL);
	step_at = call;
	start(n, ELECT);
	step_at = 0;
	for (i = 0; i < 40 && !is_dead(n); i++) {
		must(put(++value, 20000), "nobody acknowledges");
		if (i == 20 && leader() && leader() != n) { /* it may lead now */
			struct node *l = leader();

			end(l, ELECT, SIGTERM);
			start(l, ELECT);
		}
	}
	return is_dead(n);
}

int main(void)
{
	int points = getenv("POINTS") ? atoi(getenv("POINTS")) : 12, calls = 0, skip = 7, lost = 0;

	setup("points", 21500 + (int)(getpid() % 20) * 20, 3);
	strcpy(extra[0], "metadata.log.max.record.bytes.between.snapshots=3000");
	strcpy(extra[1], "metadata.max.retention.bytes=8000");
	extra_n = 2;
	for (int i = 0; i < nodes_n; i++) {
		node_follow(&nodes[i]);
		node_start(&nodes[i]);
	}
	must(put(++value, 10000), "nobody leads");
	skip = points ? 160 / points + 1 : 1;
	for (int call = 1; call < 2000; call += skip) {
		bool died = dies_at(call);

		calls = call;
		end(&nodes[0], ELECT, SIGKILL);
		start(&nodes[0], ELECT);
		if (!put(++value, 20000) || !everywhere(value, 20000) || !agree()) {
			lost++;
			printf("# lost after call %d\n", call);
		}
		if (!died)
			break;
	}
	ok(lost == 0, "nothing is lost, up to call %d", calls);
	ok(calls > 30, "and there were many");
	return done_testing();
}
