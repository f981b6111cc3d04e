# Reads table.api, and the message lines of all other *.api; writes the C table of APIs to stdout.
function snake(s,    i, c, prev, next_, out)
{
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

function low(s)
{
	sub(/[-+].*/, "", s)
	return s + 0
}

function high(s)
{
	sub(/.*-/, "", s)
	return s + 0
}

function fail(why)
{
	printf "lib/wire/table.api: %s: %s\n", name, why > "/dev/stderr"
	failed = 1
	exit 1
}

function quote(s)
{
	return s == "-" ? "0" : "\"" s "\""
}

{ sub(/#.*/, "") }
/^message/ {
	versions[$2] = $3
	flexible[$2] = $4 == "flexible" ? low($5) : 32767
}
FILENAME ~ /table\.api$/ && NF {
	line[++n] = $0
}

END {
	print "/* Made by lib/wire/gen/table.awk from lib/wire/table.api. */"
	print "#include \"wire/api.h\"\n\nconst struct wire_api wire_apis[] = {"
	for (i = 1; i <= n; i++) {
		split(line[i], w, " ")
		name = w[2]
		if (w[1] <= key && i > 1)
			fail("keys must rise")
		key = w[1] + 0
		for (j = 1; j <= 2; j++) {
			m = name (j == 1 ? "Request" : "Response")
			if (!(m in versions))
				fail("no message " m)
			if (low(w[3]) < low(versions[m]) || high(w[3]) > high(versions[m]))
				fail(m " lacks some of the versions " w[3])
		}
		if (flexible[name "Request"] != flexible[name "Response"])
			fail("request and response differ in their first flexible version")
		shown = w[4] == "-" ? "0, -1" : low(w[4]) ", " high(w[4])
		printf "\t{%d, \"%s\", %d, %d, %s, %d, {%s, %s, %s},\n", key, name, low(w[3]), high(w[3]), \
			shown, flexible[name "Request"], quote(w[5]), quote(w[6]), quote(w[7])
		printf "\t\t%s, %s, &wire_%s_request, &wire_%s_response},\n", \
			quote(w[9] == "-" ? "-" : w[9] " " w[10]), w[8] == "yes" ? "true" : "false", \
			snake(name), snake(name)
	}
	print "};\nconst size_t wire_apis_n = sizeof wire_apis / sizeof *wire_apis;"
}
