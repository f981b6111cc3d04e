/* A metadata log that is damaged, where others have it too. */
#ifndef ELECT_HURT_H
#define ELECT_HURT_H
#include "elect.h"

/* After EBADMSG: when there are other voters the log is set aside and the program ended, to begin
 * anew from theirs. Returns, with errno as it was, when this node has nobody to fetch it from. */
void hurt_set_aside(struct elect *e);
/* Before the store is opened: is this such a new beginning? */
bool hurt_begin(struct elect *e);
/* Votes again once it has all that it may have promised. */
void hurt_turn(struct elect *e);
#endif
