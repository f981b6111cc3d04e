/* Bugs on purpose, to see that the tests find them: t/planted.sh builds with -DPLANT=NAME, one at a
 * time, and runs the test named here. Without it each is 0 and leaves nothing in the program. */
#ifndef BASE_PLANTED_H
#define BASE_PLANTED_H

enum planted {
	NOTHING,
	ACK_BEFORE_SYNC,            /* 3100-power-loss */
	DIRECTORY_NOT_SYNCED,       /* 3100-power-loss */
	DIRECTORY_ABOVE_NOT_SYNCED, /* 3100-power-loss */
	RENAME_NOT_SYNCED,          /* 3100-power-loss */
	SMALL_FILE_NOT_SYNCED,      /* 3100-power-loss */
	ROLLED_NOT_SYNCED,          /* 3100-power-loss */
	PAST_THE_BAD_BATCH,         /* 3100-power-loss: recovery goes on behind it */
	HOLE_STAYS,                 /* 3100-power-loss: between segments */
	CUT_BEFORE_DROP,            /* 3100-power-loss: of a truncation */
	TRUNCATION_NOT_SYNCED,      /* 3100-power-loss */
	PRODUCERS_NOT_RECOVERED,    /* 3100-power-loss */
	EPOCHS_BEYOND_THE_END,      /* 3100-power-loss */
	WRITTEN_IN_PLACE,           /* 3000-crash-points: a small file, not through a temporary one */
	WRITE_ERROR_SWALLOWED,      /* 3200-faults */
	SYNC_TRIED_AGAIN,           /* 3210-faults-daemon */
	DUPLICATES_OF_ONE_BATCH,    /* 1220-producers: not of five */
	PAGE_NOT_ADOPTED,           /* 1400-page */
	CRC_NOT_CHECKED,            /* 3350-damage: of what is given away */
	EPOCHS_TRUSTED,             /* 3350-damage */
	DAMAGE_CUT,                 /* 3350-damage: what was on disk, as if it were torn */
	FLUSHED_WHEN_WRITTEN,       /* 4200-cluster: a record counts before it is on disk */
	HIGH_WATERMARK_TOO_FAR,     /* 4200-cluster: by one */
	MAXIMAL_ISR_IGNORED,        /* 4200-cluster: who was asked for is not waited for */
	JOINS_FROM_BEHIND,          /* 4200-cluster: the ISR, short of the high watermark */
	JOINS_BEFORE_THE_EPOCH,     /* 4200-cluster: the ISR, short of where the epoch began */
	RESUMES_WITHOUT_ASKING,     /* 4200-cluster: a leader that was restarted in its epoch */
	CUT_BY_HIGH_WATERMARK,      /* 4200-cluster */
	CUT_WHERE_THE_LEADER_ENDS,  /* 4200-cluster: whatever the own log says of that epoch */
	ANSWER_OF_OLDER_EPOCH,      /* 4200-cluster: is appended */
	BATCH_OF_LATER_EPOCH,       /* 1412-follow: is appended */
	BROKER_EPOCH_NOT_CHECKED,   /* 4200-cluster: in AlterPartition */
	PARTITION_EPOCH_NOT_CHECKED, /* 4200-cluster: in AlterPartition */
	FENCED_IN_ISR,              /* 4200-cluster: AlterPartition takes one in */
	UNCLEAN_STAYS_IN_ISR,       /* 4200-cluster: a broker that comes back as another */
	UNCLEAN_STAYS_ELIGIBLE,     /* 4200-cluster: of the eligible leader replicas */
	ANYBODY_LEADS,              /* 4200-cluster: where unclean elections are not allowed */
	VOTE_FORGOTTEN,             /* 4100-quorum-sim */
	VOTE_FOR_A_SHORTER_LOG,     /* 4100-quorum-sim */
	COMMIT_OF_OLDER_EPOCH,      /* 4100-quorum-sim: without a record of the own */
	COMMIT_OF_A_HALF,           /* 4100-quorum-sim: of the voters, where a majority is needed */
};
#ifndef PLANT
#define PLANT NOTHING
#endif
#define PLANTED(name) (PLANT == (name))
#endif
