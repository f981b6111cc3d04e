# Reads messages from *.api, writes DIR/api.h (structs, descriptors) and DIR/api.c (field tables).
# awk -f message.awk -v dir=DIR FILE...
#
# The notation, one line a message or field; '#' begins a comment, tabs give the nesting:
#     message NAME VERSIONS [flexible VERSIONS] [record N]
#     <tab>struct NAME                    a struct that several fields share; its fields follow
#     <tab>FIELD TYPE VERSIONS [WORD]...  the fields of a struct not shared follow, deeper
# VERSIONS is 3, 3-7 or 3+ (to the last). Names are Kafka's own. TYPE is bool, int8 .. int64,
# uint16, uint32, float64, uuid, string, bytes, records, the name of a struct, or [] before any of
# these. The order of fields is that of the bytes, but for tagged fields. Words:
#     null [VERSIONS]    may be null, in all versions of the field or in these
#     tag N              a tagged field: written only when it differs from its default
#     default VALUE      null, true or a number; else it is 0, false or empty, and null for records
#     ignorable          left out silently in versions that lack it; any other field must then have
#                        its default
# record N makes the message the record type N of the metadata log.

function fail(why)
{
	printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
	failed = 1
	exit 1
}

function snake(s,    i, c, prev, next_, out)
{
	gsub(/KRaft/, "Kraft", s)
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		prev = substr(s, i - 1, 1)
		next_ = substr(s, i + 1, 1)
		if (i > 1 && c ~ /[A-Z]/ && (prev ~ /[a-z0-9]/ || (prev ~ /[A-Z]/ && next_ ~ /[a-z]/)))
			out = out "_"
		out = out tolower(c)
	}
	return out
}

function range(s)
{
	if (s !~ /^[0-9]+(\+|-[0-9]+)?$/)
		fail("bad versions: " s)
	if (s ~ /\+$/)
		return substr(s, 1, length(s) - 1) ", 32767"
	if (s ~ /-/) {
		sub(/-/, ", ", s)
		return s
	}
	return s ", " s
}

function new_struct(name, c)
{
	if (c in known)
		fail("defined twice: " name)
	known[c] = ++structs
	sname[structs] = name
	sc[structs] = c
	smsg[structs] = message
	fields[structs] = 0
	return structs
}

function new_field(s, depth,    f, i, t, n)
{
	fields[s]++
	f = s SUBSEP fields[s]
	fname[f] = $1
	t = $2
	if (t ~ /^\[\]/) {
		farray[f] = 1
		t = substr(t, 3)
	}
	ftype[f] = t
	fversions[f] = range($3)
	fwhere[f] = FILENAME ":" FNR
	ftag[f] = -1
	for (i = 4; i <= NF; i++) {
		if ($i == "null") {
			fnull[f] = fversions[f]
			if ($(i + 1) ~ /^[0-9]/)
				fnull[f] = range($(++i))
		} else if ($i == "tag") {
			ftag[f] = $(++i)
		} else if ($i == "default") {
			fdefault[f] = $(++i)
		} else if ($i == "ignorable") {
			fignorable[f] = 1
		} else {
			fail("unknown word: " $i)
		}
	}
	opens[depth + 1] = 0
	lastfield[depth] = f
	hasowner[depth] = 1
}

BEGIN {
	n = split("bool bool int8 int8_t int16 int16_t uint16 uint16_t int32 int32_t uint32 uint32_t " \
		"int64 int64_t float64 double uuid struct_uuid string struct_span bytes struct_span " \
		"records struct_span", w, " ")
	for (i = 1; i < n; i += 2) {
		ctype[w[i]] = w[i + 1]
		sub(/struct_/, "struct ", ctype[w[i]])
	}
	n = split("auto bool break case char const continue default do double else enum extern " \
		"float for goto if inline int long register restrict return short signed sizeof " \
		"static struct switch typedef union unsigned void volatile while", w, " ")
	for (i = 1; i <= n; i++)
		keyword[w[i]] = 1
}

{ sub(/#.*/, "") }
NF == 0 { next }
{
	match($0, /^\t*/)
	depth = RLENGTH
}
depth == 0 {
	if ($1 != "message" || NF < 3)
		fail("expected a message")
	message = $2
	s = new_struct($2, snake($2))
	top[s] = 1
	mversions[message] = range($3)
	mflexible[message] = "32767"
	for (i = 4; i <= NF; i += 2) {
		if ($i == "flexible") {
			split(range($(i + 1)), w, ", ")
			mflexible[message] = w[1]
		} else if ($i == "record") {
			record[$(i + 1)] = s
			if ($(i + 1) + 1 > records)
				records = $(i + 1) + 1
		} else {
			fail("unknown word: " $i)
		}
	}
	opens[1] = s
	hasowner[0] = 0
	next
}
depth == 1 && $1 == "struct" {
	opens[2] = new_struct($2, snake(message) "_" snake($2))
	hasowner[1] = 0
	next
}
NF < 3 { fail("expected a field: name, type, versions") }
{
	if (!opens[depth]) {
		f = lastfield[depth - 1]
		if (!hasowner[depth - 1] || ftype[f] in ctype)
			fail("nested too deep")
		opens[depth] = new_struct(ftype[f], snake(message) "_" snake(ftype[f]))
	}
	new_field(opens[depth], depth)
}

function cname(f,    c)
{
	c = snake(fname[f])
	return c in keyword ? c "_" : c
}

function structof(f, s,    c)
{
	c = snake(smsg[s]) "_" snake(ftype[f])
	if (!(c in known)) {
		printf "%s: no struct %s\n", fwhere[f], ftype[f] > "/dev/stderr"
		exit 1
	}
	return known[c]
}

# Emits a struct after those that it holds.
function emit(s,    i, f, t, star)
{
	if (done[s]++)
		return
	for (i = 1; i <= fields[s]; i++)
		if (!(ftype[s, i] in ctype))
			emit(structof(s SUBSEP i, s))
	print "struct " sc[s] " {" > h
	for (i = 1; i <= fields[s]; i++) {
		f = s SUBSEP i
		t = ftype[f] in ctype ? ctype[ftype[f]] : "struct " sc[structof(f, s)]
		star = farray[f] || (f in fnull && !(ftype[f] in ctype)) ? "*" : ""
		print "\t" t " " star cname(f) ";" > h
		if (farray[f])
			print "\tint32_t " cname(f) "_n;" > h
	}
	if (mflexible[smsg[s]] != 32767)
		print "\tstruct wire_tags tags;" > h
	print "};" > h
	table(s)
}

function row(s, f,    struct_, def, flags)
{
	struct_ = !(ftype[f] in ctype)
	def = (f in fdefault) && fdefault[f] != "null" ? fdefault[f] : "0"
	flags = ""
	if (farray[f])
		flags = flags "|WIRE_ARRAY"
	if (struct_ && !farray[f] && f in fnull)
		flags = flags "|WIRE_POINTER"
	if (fdefault[f] == "null" || ftype[f] == "records")
		flags = flags "|WIRE_DEFAULT_NULL"
	if (fignorable[f])
		flags = flags "|WIRE_IGNORABLE"
	sub(/^\|/, "", flags)
	printf "\t{\"%s\", %s, %s, %s, %s, %d, %s, %s, WIRE_%s, %s},\n", \
		tolower(substr(fname[f], 1, 1)) substr(fname[f], 2), \
		struct_ ? "&wire_" sc[structof(f, s)] : "0", def, fversions[f], f in fnull ? fnull[f] : "1, 0", \
		ftag[f], "offsetof(struct " sc[s] ", " cname(f) ")", \
		farray[f] ? "offsetof(struct " sc[s] ", " cname(f) "_n)" : "0", \
		struct_ ? "STRUCT" : toupper(ftype[f]), flags == "" ? "0" : flags > c
}

# Tagged fields come last in a table, by their tags.
function table(s,    i, j, best, prev, plain)
{
	for (i = 1; i <= fields[s]; i++)
		if (ftag[s, i] < 0)
			plain++
	print "static const struct wire_field fields_" sc[s] "[] = {" > c
	for (i = 1; i <= fields[s]; i++)
		if (ftag[s, i] < 0)
			row(s, s SUBSEP i)
	prev = -1
	for (j = plain + 1; j <= fields[s]; j++) {
		best = 0
		for (i = 1; i <= fields[s]; i++)
			if (ftag[s, i] > prev && (!best || ftag[s, i] < ftag[s, best]))
				best = i
		if (!best) {
			printf "%s: a tag twice\n", sc[s] > "/dev/stderr"
			exit 1
		}
		row(s, s SUBSEP best)
		prev = ftag[s, best]
	}
	if (!fields[s])
		print "\t{0}" > c
	print "};" > c
	print "extern const struct wire_type wire_" sc[s] ";" > (top[s] ? h : d)
	print "const struct wire_type wire_" sc[s] " = {" > c
	print "\t\"" sname[s] "\", fields_" sc[s] ", sizeof(struct " sc[s] ")," > c
	printf "\t%s, %d, %d, %s, %s\n};\n", \
		mflexible[smsg[s]] != 32767 ? "offsetof(struct " sc[s] ", tags)" : "-1", \
		fields[s], plain, mversions[smsg[s]], mflexible[smsg[s]] > c
}

END {
	if (failed)
		exit 1
	h = dir "/api.h"
	c = dir "/api.c"
	d = h
	print "/* Made by lib/wire/gen/message.awk from the .api files. */" > h
	print "#ifndef WIRE_API_H\n#define WIRE_API_H\n#include \"wire/wire.h\"\n" > h
	print "/* Made by lib/wire/gen/message.awk from the .api files. */" > c
	print "#include \"wire/api.h\"\n\n#include <stddef.h>\n\n#include \"wire/type.h\"\n" > c
	for (s = 1; s <= structs; s++)
		emit(s)
	print "#endif" > h
	print "const struct wire_type *const wire_messages[] = {" > c
	for (s = 1; s <= structs; s++)
		if (top[s])
			print "\t&wire_" sc[s] "," > c
	print "\t0\n};" > c
	print "const struct wire_type *const wire_records[] = {" > c
	for (i = 0; i < records; i++)
		if (i in record)
			print "\t[" i "] = &wire_" sc[record[i]] "," > c
	print "\t[" records "] = 0\n};\nconst int wire_records_n = " records + 0 ";" > c
}
