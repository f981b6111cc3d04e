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
};
#ifndef PLANT
#define PLANT NOTHING
#endif
#define PLANTED(name) (PLANT == (name))
#endif
