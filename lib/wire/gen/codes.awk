# Reads errors.api among the *.api and writes an enum of Kafka's error codes to stdout.
BEGIN {
	print "/* Made by lib/wire/gen/codes.awk from lib/wire/errors.api. */"
	print "#ifndef WIRE_CODES_H\n#define WIRE_CODES_H\nenum wire_code {"
}
FILENAME ~ /errors\.api$/ && /^-?[0-9]/ { printf "\tWIRE_%s = %d,\n", $2, $1 }
END { print "};\n#endif" }
