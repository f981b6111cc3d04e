# make         builds everything under build/   make lab   leaves three nodes running, with records
# make check   runs the tests under t/          make install PREFIX=/usr/local
#
# make plant builds it with one bug after the other and shows which test finds it; see t/planted.sh.
# make bench measures it beside Apache Kafka: PAIRS=n, ROWS='row...'; see man/odradek-bench.7.
# They install the Debian packages they lack (as root). make check T='t/5*.t' runs some tests only.
# make check-fresh proves make lab and make check on a bare Debian 12 tree: t/fresh.sh, minutes.
SHELL = /bin/bash
MAKEFLAGS += -j2
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:
.PHONY: all tests check check-fresh plant lab bench install clean

B = build
PREFIX = /usr/local
CFLAGS = -O2 -g -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wno-unused-parameter
override CPPFLAGS += -std=gnu11 -D_GNU_SOURCE -iquote lib -iquote $B/gen
CXXFLAGS = -O2 -g -Wall -Wextra
CLANG = clang-14
SANITIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined

# A program is cmd/NAME.c, cmd/NAME/*.c, or a script cmd/NAME.sh or cmd/NAME.e (execline). A binary
# links lib.a and one of skalibs and libowfat: they share 64 names, and a binary with both crashes.
OWF = gate
LIBS_recode = -lzstd -llz4 -lsnappy -lz
LIBS_elect = -ljansson
LIBS_groupcoord = -lre2 -lstdc++
BINARIES = $(sort $(basename $(notdir $(wildcard cmd/*.c))) \
	$(notdir $(patsubst %/,%,$(dir $(wildcard cmd/*/*.c)))))
SCRIPTS = $(basename $(notdir $(wildcard cmd/*.sh cmd/*.e)))
PROGS = $(BINARIES:%=$B/bin/%) $(SCRIPTS:%=$B/bin/%)

GEN = $(addprefix $B/gen/wire/,api.c table.c errors.c)
GENH = $(addprefix $B/gen/wire/,api.h codes.h)
LIBSRC = $(wildcard lib/*/*.c) $(GEN)
TESTSRC = $(wildcard t/[0-9]*.c)
ASAN_TESTS = $(filter t/1% t/4%,$(TESTSRC))
TESTS = $(TESTSRC:t/%.c=$B/t/%.t) $(ASAN_TESTS:t/%.c=$B/asan/%.t)
FUZZ = $(patsubst t/fuzz/%.c,$B/fuzz/%,$(wildcard t/fuzz/*.c))
SHIMS = $(patsubst t/crash/%.c,$B/crash/%.so,$(wildcard t/crash/shim*.c))
CRASH = $(patsubst t/crash/%.c,$B/crash/%,$(filter-out t/crash/shim%,$(wildcard t/crash/*.c)))

all: $(PROGS)
tests: all $(TESTS) $(FUZZ) $(SHIMS) $(CRASH)

# --- packages: a stamp for each purpose; apt is asked only for what dpkg does not have --------
NEED_build = libc6-dev skalibs-dev libowfat-dev libjansson-dev libzstd-dev liblz4-dev \
	libsnappy-dev zlib1g-dev g++ libre2-dev libxxhash-dev
NEED_lab = s6 execline kcat procps mandoc
NEED_check = perl python3 python3-kafka python3-confluent-kafka python3-snappy python3-lz4 \
	python3-zstandard openjdk-17-jdk-headless maven \
	clang-14 libclang-rt-14-dev llvm-14 binutils strace valgrind jq shellcheck curl xxd zstd \
	lz4 iproute2 util-linux xz-utils tar burrow zookeeper
NEED_bench = gnuplot-nox
$B/need/%: Makefile
	@mkdir -p $(@D); t/need $(NEED_$*) && touch $@

# --- the codec: lib/wire/*.api is text, from which structs and tables are made ----------------
API = $(wildcard lib/wire/*.api)
generate = @mkdir -p $(@D); echo "gen $(@F)"; awk -f $< $1

$B/gen/wire/api.c $B/gen/wire/api.h &: lib/wire/gen/message.awk $(API)
	$(call generate,-v dir=$(@D) $(filter-out %/table.api %/errors.api,$(API)))
$B/gen/wire/table.c $B/gen/wire/errors.c: $B/gen/wire/%.c: lib/wire/gen/%.awk $(API)
	$(call generate,$(API) >$@)
$B/gen/wire/codes.h: lib/wire/gen/codes.awk $(API)
	$(call generate,$(API) >$@)

# --- library, programs ----------------------------------------
compile = @mkdir -p $(@D); echo "$1 $<"; $2 $(CPPFLAGS) $3 -MMD -MP -c -o $@ $<
archive = @rm -f $@ && ar rcs $@ $^
link = @mkdir -p $(@D); $1 -o $@ $^ $(LIBS_$(notdir $*))
objects = $(patsubst %.c,$B/obj/%.o,$(wildcard cmd/$1.c cmd/$1/*.c)) \
	$(patsubst %.cc,$B/obj/%.o,$(wildcard cmd/$1/*.cc))

$B/obj/%.o: %.c | $B/need/build $(GENH)
	$(call compile,cc,$(CC),$(CFLAGS))
$B/obj/%.o: %.cc | $B/need/build
	@mkdir -p $(@D); echo "c++ $<"; $(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<
$B/lib.a: $(LIBSRC:%.c=$B/obj/%.o)
	$(archive)
$(BINARIES:%=$B/bin/%): $B/bin/%: $$(call objects,$$*) $B/lib.a
	$(call link,$(CC) $(CFLAGS) $(LDFLAGS)) $(if $(filter $*,$(OWF)),-lowfat,-lskarnet)
$(SCRIPTS:%=$B/bin/%): $B/bin/%: $$(wildcard cmd/$$*.sh cmd/$$*.e)
	@mkdir -p $(@D); install -m 755 $< $@

# --- tests: plain, with sanitizers (gcc), fuzz targets (clang) --------------------------------
$B/t/%.t: $B/obj/t/%.o $B/lib.a
	$(call link,$(CC) $(CFLAGS))
# Tests of groupcoord's steps link all of it but main.
GROUPS = $(filter-out %/groupcoord.o,$(call objects,groupcoord))
$B/groups.a: $(GROUPS)
	$(archive)
$B/t/18%.t: $B/obj/t/18%.o $B/groups.a $B/lib.a
	$(call link,$(CC) $(CFLAGS)) $(LIBS_groupcoord) -lskarnet
$B/t/4%.t: $B/obj/t/4%.o $B/groups.a $B/lib.a
	$(call link,$(CC) $(CFLAGS)) $(LIBS_groupcoord) -lskarnet
# Tests of elect's controller step link it.
STEPS = $(filter-out %/elect.o,$(call objects,elect))
$B/elect.a: $(STEPS)
	$(archive)
$B/t/162%.t: $B/obj/t/162%.o $B/elect.a $B/lib.a
	$(call link,$(CC) $(CFLAGS)) -lskarnet
# The simulated cluster links the daemons' steps; all its chance comes from the seed.
SIM = $(patsubst %.c,$B/obj/%.o,$(wildcard t/sim/*.c))
$B/t/42%.t: $B/obj/t/42%.o $(SIM) $B/elect.a $B/lib.a
	$(call link,$(CC) $(CFLAGS)) -Wl,--wrap=getrandom
$(CRASH): $B/crash/%: $B/obj/t/crash/%.o $B/lib.a
	$(call link,$(CC) $(CFLAGS))
$(SHIMS): $B/crash/%.so: t/crash/%.c
	@mkdir -p $(@D); $(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $< -ldl
$B/asan/obj/%.o: %.c | $B/need/build $(GENH)
	$(call compile,asan,$(CC),$(CFLAGS) $(SANITIZE))
$B/asan/lib.a: $(LIBSRC:%.c=$B/asan/obj/%.o)
	$(archive)
$B/asan/groups.a: $(patsubst $B/obj/cmd/%,$B/asan/obj/cmd/%,$(filter-out %/regex.o,$(GROUPS))) \
		$B/obj/cmd/groupcoord/regex.o
	$(archive)
$B/asan/18%.t: $B/asan/obj/t/18%.o $B/asan/groups.a $B/asan/lib.a
	$(call link,$(CC) $(SANITIZE)) $(LIBS_groupcoord) -lskarnet
$B/asan/4%.t: $B/asan/obj/t/4%.o $B/asan/groups.a $B/asan/lib.a
	$(call link,$(CC) $(SANITIZE)) $(LIBS_groupcoord) -lskarnet
$B/asan/elect.a: $(STEPS:$B/%=$B/asan/%)
	$(archive)
$B/asan/162%.t: $B/asan/obj/t/162%.o $B/asan/elect.a $B/asan/lib.a
	$(call link,$(CC) $(SANITIZE)) -lskarnet
$B/asan/42%.t: $B/asan/obj/t/42%.o $(SIM:$B/%=$B/asan/%) $B/asan/elect.a $B/asan/lib.a
	$(call link,$(CC) $(SANITIZE)) -Wl,--wrap=getrandom
$B/asan/%.t: $B/asan/obj/t/%.o $B/asan/lib.a
	$(call link,$(CC) $(SANITIZE))
$B/fuzz/obj/%.o: %.c | $B/need/check $(GENH)
	$(call compile,fuzz,$(CLANG),$(SANITIZE) -fsanitize=fuzzer-no-link)
$B/fuzz/lib.a: $(LIBSRC:%.c=$B/fuzz/obj/%.o)
	$(archive)
$B/fuzz/elect.a: $(STEPS:$B/%=$B/fuzz/%)
	$(archive)
$(FUZZ): $B/fuzz/%: $B/fuzz/obj/t/fuzz/%.o $B/fuzz/elect.a $B/fuzz/lib.a
	$(call link,$(CLANG) $(SANITIZE) -fsanitize=fuzzer)

# Apache Kafka's jars: its tools read our files, its node is what ours is compared to. Kept outside
# the tree, so that checkouts share them. The tools of the newest version whose jar is published.
KAFKA_VERSION = 4.4.0
KAFKA_TOOLS_VERSION = 4.3.1
export ODRADEK_KAFKA ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/odradek/kafka-$(KAFKA_VERSION)
$(ODRADEK_KAFKA)/ready: t/kafka/pom.xml | $B/need/check
	@t/kafka/download $(ODRADEK_KAFKA) $(KAFKA_VERSION) $(KAFKA_TOOLS_VERSION)

check: tests $(ODRADEK_KAFKA)/ready | $B/need/lab $B/need/check
	@LC_ALL=C.UTF-8 prove -j2 --exec 'timeout -k 9 600' $(or $(T),$(TESTS) $(wildcard t/[0-9]*.t))
check-fresh:
	t/fresh.sh
plant: tests
	@t/planted.sh $(PLANT)
lab: all | $B/need/lab
	@t/first.sh

# --- bench: against Apache Kafka; see man/odradek-bench.7 ----------------------------------------
BENCH = $(patsubst t/bench/%.c,$B/bench/bin/%,$(wildcard t/bench/*.c))
$(BENCH): $B/bench/bin/%: $B/obj/t/bench/%.o $B/lib.a
	$(call link,$(CC) $(CFLAGS))
bench: all $(BENCH) $(ODRADEK_KAFKA)/ready | $B/need/lab $B/need/bench
	@t/bench/run.sh $(ROWS)

# --- install ----------------------------------------
DEST = $(DESTDIR)$(PREFIX)
install: all
	install -d $(DEST)/bin $(DEST)/lib/odradek $(foreach s,1 5 7 8,$(DEST)/share/man/man$s)
	install $(filter-out $B/bin/odradek,$(PROGS)) $(DEST)/lib/odradek
	install $B/bin/odradek $(DEST)/bin
	cp -R svc $(DEST)/lib/odradek
	for p in man/*.[1578]; do install -m 644 $$p $(DEST)/share/man/man$${p##*.}; done
clean:
	rm -rf $B

-include $(shell find $B -name '*.d' 2>/dev/null)
