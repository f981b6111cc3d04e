# make         build everything under build/          make lab     a running node with records in it
# make check   install what tests need, run prove     make bench   side by side with Apache Kafka
SHELL = /bin/bash
B = build
CFLAGS = -O2 -g -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wno-unused-parameter
override CPPFLAGS += -std=gnu11 -D_GNU_SOURCE -iquote lib -iquote $(B)/gen
OWF = gate
PROGS = $(sort $(basename $(notdir $(wildcard cmd/*.c))) $(notdir $(patsubst %/,%,$(wildcard cmd/*/))))

LIBSRC = $(wildcard lib/*/*.c)
LIBOBJ = $(LIBSRC:%.c=$B/obj/%.o)
all: $(PROGS:%=$B/bin/%)

$B/lib.a: $(LIBOBJ)
	rm -f $@ && ar rcs $@ $^
$B/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $B/obj -name '*.d' 2>/dev/null)
.PHONY: all
