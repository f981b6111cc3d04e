#!/bin/bash
# Plants one bug after the other in a copy of the tree and shows which test finds it. By hand:
# t/plant.sh [NAME...]. A bug is a line here: name, file (@ is cmd/groupcoord), what sed does to
# it, the test to ask.
source t/lib.sh
plants() {
	cat <<-'P'
		sequence-in-a-run|cmd/logappend/append.c|s/if (was && !goes_on(was, .*))/if (0)/|5200
		same-generation|@classic_rebalance.c|s/c->generation++;/;/|4000
		commit-not-fenced|@classic.c|s/if (by->generation != c->generation)/if (0)/|4000
		commit-while-assigning|@classic.c|s/c->state == CLASSIC_COMPLETING)/0)/|1800
		stranger-commits|@classic.c|s/if (error)$/if (0)/|1800
		death-unnoticed|@classic_rebalance.c|s/if (classic_of(g)->state != CL.*)$/if (0)/|4000
		late-stay|@classic_rebalance.c|s/if (!m->joining \&\& m->instance.n < 0)/if (0)/|1800
		no-sync-timer|@classic_rebalance.c|/groups_timer_set(gs, &c->sync_end/d|4000
		no-session-after-join|@classic_rebalance.c|/m->owes_sync = true;/{n;d}|4000
		waiting-not-told|@classic_rebalance.c|s/classic_fail_sync(s, .*;/;/|4000
		recorded-before|@classic_sync.c|s/if (m)$/if (0)/|4000
		assign-without-record|@classic_sync.c|/classic_record(s, g);/d|4000
		loaded-without-timers|@classic.c|/classic_touch(gs, s, m);$/d|4000
		loaded-generation|@classic_record.c|s/c->generation = v->generation;/c->generation = 0;/|4000
		loaded-leader|@classic_record.c|s/c->leader = leader;/;/|1800
		pending-for-ever|@classic_join.c|/groups_timer_set(gs, &p->session/d|1800
		leader-not-replaced|@classic_members.c|s/c->leader = c->first;/;/|4000
		static-while-assigning|@classic_join.c|s/else if (c->state == CLASSIC_COMP.*/else if (0)/|4000
		change-ignored|@classic_join.c|s/bool same = classic_same_protocols.*/bool same = true;/|1800
		leader-wants-nothing|@classic_join.c|s/ \&\& c->leader != m//|1800
		wrong-generation-syncs|@classic_sync.c|s/if (in->generation_id != c->generation)/if (0)/|4000
		heartbeat-silent|@classic_sync.c|s/return c->state == CLASSIC_PREP.*/return WIRE_NONE;/|4000
		joined-count|@classic_answer.c|s/classic_of(g)->joining_n -= m->joining;/;/|4000
		had-by-another|@consumer_reconcile.c|s/if (consumer_owned(c, p) .*/if (0) {/|4010
		not-given-back|@consumer_reconcile.c|s/if (gone.n > 0 .*/if (0) {/|4010
		silence-gives-back|@consumer_reconcile.c|s/return !owned ../return owned \&\&/|1820
		any-epoch|@consumer_heartbeat.c|s/if (epoch == 0 .. epoch == m->epoch)/if (1)/|1820
		lost-answer-fences|@consumer_heartbeat.c|s/ == m->previous_epoch/ < 0/|1820
		no-session|@consumer_heartbeat.c|/consumer_session_start(b->gs/d|1820
		no-rebalance-timer|@consumer_reconcile.c|s/consumer_rebalance_timer(gs, s, m);/;/|1830
		too-many-targets|@consumer_target.c|s/ .. too_soon(s, c)//|1820
		loaded-for-ever|@consumer_kind.c|/consumer_session_start(gs, s, m);/d|4010
		never-classic-again|@migrate.c|s/(size_t)classic == stay/0/|1820
		text-without-length|@consumer_hash.c|/add32(h, text.n);/d|1830
		stale-commits|@consumer_kind.c|s/claim->generation < p->epoch/0/|1830
		target-not-recorded|@consumer_target.c|/consumer_record_target(b->s/d|1820
		new-topics-unseen|@consumer_regex.c|s/ \&\& !c->new_topics//|1830
		wrong-share|@assign_uniform.c|s/room = u->share + (u->larger > 0)/room = u->share/|1810
	P
}
names() { plants | sed 's/^[[:blank:]]*//'; }
copy=$top/build/plant
names | while IFS='|' read -r name file edit number; do
	[ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
	rm -rf "$copy"
	mkdir -p "$copy"
	cp -R Makefile README LICENSE cmd lib man svc t "$copy"
	file=${file/@/cmd/groupcoord/}
	sed -i "$edit" "$copy/$file"
	if cmp -s "$file" "$copy/$file"; then
		fail "$name: nothing to edit in $file"
		continue
	fi
	case $number in
	18* | 4*)
		targets=$(echo t/"$number"*.c)
		targets=build/${targets%.c}.t test=$targets
		;;
	*) targets='all build/crash/step build/crash/drive build/crash/shim-fault.so' ;;
	esac
	[ "${test:-}" = "$targets" ] || test=$(cd t && echo "t/$number"*)
	# shellcheck disable=SC2086
	make -C "$copy" --no-print-directory $targets >"$tmp/make" 2>&1 || {
		fail "$name: does not build"
		diag "$(tail "$tmp/make")"
		continue
	}
	if (cd "$copy" && COUNT=3000 prove "$test" >"$tmp/out" 2>&1); then
		fail "$name: not found by $number"
	else
		pass "$name: found by $number"
	fi
done
rm -rf "$copy"
done_testing
