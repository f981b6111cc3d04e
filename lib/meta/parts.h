/* Parts of an image, for the files of lib/meta alone: freeing them, and places in sorted configs.
 */
#ifndef META_PARTS_H
#define META_PARTS_H
#include "meta/image.h"

void meta_partition_clear(struct meta_partition *p); /* becomes a hole */
void meta_topic_free(struct meta_topic *t); /* each: NULL is allowed; the maps are the caller's */
void meta_broker_free(struct meta_broker *b);
void meta_configs_free(struct meta_configs *c);
void meta_other_free(struct meta_other *o);
int32_t meta_config_place(const struct meta_configs *c, struct span key, bool *found);
#endif
