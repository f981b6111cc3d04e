# Reads errors.api among the *.api and writes a C table of Kafka's errors to stdout.
function flush()
{
	if (name != "")
		printf "\t{%d, %s, \"%s\",\n\t\t\"%s\"},\n", code, retriable, name, text == "" ? name : text
}

BEGIN {
	print "/* Made by lib/wire/gen/errors.awk from lib/wire/errors.api. */"
	print "#include \"wire/error.h\"\n\nconst struct wire_error wire_errors[] = {"
}
/^#/ || FILENAME !~ /errors\.api$/ { next }
/^\t/ {
	sub(/^\t/, "")
	text = text == "" ? $0 : text " " $0
	next
}
{
	flush()
	code = $1
	name = $2
	retriable = $3 == "retriable" ? "true" : "false"
	text = ""
}
END {
	flush()
	print "};\nconst int wire_errors_n = sizeof wire_errors / sizeof *wire_errors;"
}
