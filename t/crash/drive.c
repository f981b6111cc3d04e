/* drive run DIR SEED OPS: runs the script of that seed on the log directory DIR; a dot on standard
 * output for each operation that returned. drive check DIR SEED OPS FILE [page]: FILE holds those
 * dots; opens, checks and opens again. drive open DIR SEED OPS FILE [page]: opens only. page: the
 * machine has not restarted, the page of the killed owner is there.
 * Exit: 0; 1 and what is wrong. */
#include "script.h"

static void dot(int k)
{
	if (k && write(1, ".", 1) != 1)
		exit(111);
}

static int dots(const char *file)
{
	struct stat st;
	return stat(file, &st) < 0 ? 0 : (int)st.st_size;
}

int main(int argc, char **argv)
{
	int at;
	if (argc < 5)
		return 100;
	script_fd = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (script_fd < 0)
		return 111;
	script_make(strtoull(argv[3], NULL, 10), atoi(argv[4]));
	if (!strcmp(argv[1], "run")) {
		if (script_run(dot, &at) == 0)
			return 0;
		fprintf(stderr, "operation %d: %s: %s\n", at, at < 0 ? "open" : script_names[ops[at].kind],
		        strerror(errno));
		return 1;
	}
	int k = dots(argv[5]);
	if (argc > 6 && states[k].end > 0)
		script_written = states[k].end - 1;
	if (!strcmp(argv[1], "open"))
		return !script_open();
	if (script_check(k) == 0)
		return 0;
	fprintf(stderr, "killed in operation %d (%s): %s\n", k,
	        k < ops_n ? script_names[ops[k].kind] : "none", script_wrong);
	return 1;
}
