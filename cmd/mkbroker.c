/* mkbroker: make the directory of a node, or change the settings of one (-u). See mkbroker(1). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "base/atomicfile.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/metaproperties.h"
#include "meta/config.h"

#define USAGE "mkbroker [ -n ] [ -u ] [ -a host ] [ -p port ] [ -i node.id ] [ -k cluster.id ] " \
	"[ -c key=value ]... dir"
char const *PROG = "mkbroker";

enum { SETTINGS_MAX = 256, VALUE_MAX = 4096 };

static struct { const char *key, *value; } settings[SETTINGS_MAX];
static int settings_n;
static bool dry;
static char dir[PATH_MAX];   /* absolute, without symbolic links */

__attribute__((format(printf, 1, 2))) static char *text(const char *fmt, ...)
{
	char *z;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&z, fmt, ap) < 0) strerr_diefusys(111, "make text");
	va_end(ap);
	return z;
}

/* --- settings --- */

static const char *setting(const char *key)
{
	for (int i = 0; i < settings_n; i++)
		if (!strcmp(settings[i].key, key)) return settings[i].value;
	return NULL;
}

static void set(const char *key, const char *value)
{
	int i = 0;
	while (i < settings_n && strcmp(settings[i].key, key)) i++;
	if (i == SETTINGS_MAX) strerr_dief(100, "too many settings");
	if (i == settings_n) settings_n++;
	settings[i].key = key;
	settings[i].value = value;
}

static void set_default(const char *key, const char *value)
{
	if (!setting(key)) set(key, value);
}

/* key=value of -c: the key becomes a file name, the value its only line. */
static void set_option(const char *arg)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strspn(arg, legal);
	if (n == 0 || n > NAME_MAX || *arg == '.' || arg[n] != '=' || strchr(arg, '\n') ||
	    strlen(arg + n) > VALUE_MAX)
		strerr_dief(100, "not key=value: ", arg);
	set(text("%.*s", (int)n, arg), arg + n + 1);
	const struct meta_config_def *d = meta_config_def(META_BROKER, (struct span){arg, (int32_t)n});
	char why[512];
	if (!d) strerr_warnw("no setting of this name has a meaning here: ", arg);
	else if (meta_config_check(d, span_of(arg + n + 1), why, sizeof why)) strerr_dief(100, why);
}

/* What the envdir says now; NULL when it says nothing. */
static char *setting_now(const char *key)
{
	char *p = NULL;
	size_t n;
	int fd = open(text("%s/env", dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) return NULL;
	if (!atomicfile_read(fd, key, VALUE_MAX, &p, &n)) p[strcspn(p, "\n")] = 0;
	close(fd);
	return p;
}

static void set_listeners(const char *host, const char *port)
{
	char *now = setting_now("listeners"), *old_host, *old_port;
	if (!host && !port && now) return;
	if (now && sscanf(now, "PLAINTEXT://%m[^:]:%m[0-9]", &old_host, &old_port) == 2) {
		if (!host) host = old_host;
		if (!port) port = old_port;
	}
	if (!host) host = "127.0.0.1";
	char *end;
	long p = strtol(port ? port : "9092", &end, 10);
	if (*end || p < 1 || p > 65435) strerr_dief(100, "not a port from 1 to 65435: ", port);
	set_default("listeners", text("PLAINTEXT://%s:%ld,CONTROLLER://%s:%ld", host, p, host, p + 100));
	set_default("advertised.listeners", text("PLAINTEXT://%s:%ld", host, p));
	const char *id = setting("node.id") ? setting("node.id") : setting_now("node.id");
	set_default("controller.quorum.voters", text("%s@%s:%ld", id, host, p + 100));
}

/* --- writing --- */

static void make_directory(const char *name, mode_t mode)
{
	if (dry) printf("directory\t%s\n", name);
	else if (mkdir(name, mode) < 0 && errno != EEXIST) strerr_diefusys(111, "make directory ", name);
}

static void make_file(const char *in, const char *name, const char *value)
{
	if (dry) {
		printf("file\t%s/%s\t%.*s\n", in, name, (int)strcspn(value, "\n"), value);
		return;
	}
	int fd = open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) strerr_diefusys(111, "open directory ", in);
	if (atomicfile_write(fd, name, value, strlen(value)) < 0)
		strerr_diefusys(111, "write ", in, "/", name);
	close(fd);
}

static void make_link(const char *target, const char *name)
{
	if (dry) {
		printf("link\t%s\t%s\n", name, target);
		return;
	}
	char *new = text("%s.new", name);
	unlink(new);
	if (symlink(target, new) < 0) strerr_diefusys(111, "make link ", new);
	if (rename(new, name) < 0) strerr_diefusys(111, "rename ", new, " to ", name);
}

/* A run that was killed may have left settings that this one does not have. */
static void empty_env(const char *env)
{
	struct dirent *e;
	DIR *d = dry ? NULL : opendir(env);
	while (d && (e = readdir(d)))
		if (*e->d_name != '.' && unlinkat(dirfd(d), e->d_name, 0) < 0)
			strerr_diefusys(111, "remove ", env, "/", e->d_name);
	if (d) closedir(d);
}

static void make_env(const char *env)
{
	make_directory(env, 0755);
	for (int i = 0; i < settings_n; i++)
		make_file(env, settings[i].key, text("%s\n", settings[i].value));
}

/* --- the parts of a node's directory --- */

/* But for what a run that was killed has left of the first file there. */
static bool is_empty(const char *name)
{
	struct dirent *e;
	int entries = 0;
	DIR *d = opendir(name);
	if (!d && errno == ENOENT) return true;
	if (!d) strerr_diefusys(111, "open directory ", name);
	while ((e = readdir(d)))
		entries += strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
		           strcmp(e->d_name, METAPROPERTIES_FILE ".tmp");
	closedir(d);
	return entries == 0;
}

/* What a log directory says of itself: false when there is none, or an empty one. */
static bool read_meta(struct metaproperties *m, const char *log)
{
	int fd = open(log, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) return false;
	if (fd < 0) strerr_diefusys(111, "open directory ", log);
	int r = metaproperties_read(m, fd);
	close(fd);
	if (!r && (m->version != 1 || m->node_id < 0 || !*m->cluster_id))
		strerr_dief(1, log, "/meta.properties is not of a Kafka node with KRaft");
	if (r < 0 && errno != ENOENT) strerr_diefsys(1, "unable to use ", log, "/meta.properties");
	if (r < 0 && !is_empty(log)) strerr_dief(1, log, " is not empty and has no meta.properties");
	return !r;
}

static void write_meta(const struct metaproperties *m, const char *log)
{
	if (dry) {
		printf("file\t%s/" METAPROPERTIES_FILE "\tnode.id=%d cluster.id=%s\n", log, m->node_id,
		       m->cluster_id);
		return;
	}
	int fd = open(log, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) strerr_diefusys(111, "open directory ", log);
	if (metaproperties_write(m, fd) < 0)
		strerr_diefusys(111, "write ", log, "/" METAPROPERTIES_FILE);
	close(fd);
}

/* The last part of the directory's name where that is a number, else 1. */
static int32_t id_by_name(void)
{
	const char *name = strrchr(dir, '/') + 1;
	size_t n = strspn(name, "0123456789");
	return n && n < 10 && !name[n] ? atoi(name) : 1;
}

/* Makes or adopts log/: its meta.properties, written once, says who the node is. Sets node.id. */
static void make_log(const char *log, const char *node_id, const char *cluster_id)
{
	struct metaproperties m = {.version = 1};
	struct uuid u;
	if (read_meta(&m, log)) {
		if (node_id && atoi(node_id) != m.node_id)
			strerr_dief(1, log, " belongs to node.id ", text("%d", m.node_id));
		if (cluster_id && strcmp(cluster_id, m.cluster_id))
			strerr_dief(1, log, " belongs to cluster.id ", m.cluster_id);
	} else {
		m.node_id = node_id ? atoi(node_id) : id_by_name();
		if (!cluster_id && uuid_random(&u) < 0) strerr_diefusys(111, "read random bytes");
		if (cluster_id) strcpy(m.cluster_id, cluster_id);
		else uuid_text(&u, m.cluster_id);
	}
	set("node.id", text("%d", m.node_id));
	make_directory(log, 0755);
	if (!uuid_is_zero(&m.directory_id)) return;
	if (uuid_random(&m.directory_id) < 0) strerr_diefusys(111, "read random bytes");
	write_meta(&m, log);
}

/* run/: sockets, the page and the live service tree, on tmpfs so that a full disk stops no restart.
 * The name is made from the parent's path; home/ in it says whose it is. */
static void make_run(void)
{
	char *slash = strrchr(dir, '/'), *parent = text("%.*s", (int)(slash - dir), dir), *run, *shared;
	char home[PATH_MAX];
	for (uint32_t salt = 0;; salt++) {
		shared = text("/dev/shm/odradek-%u-%08x", (unsigned)geteuid(),
		              crc32c(salt, parent, strlen(parent)));
		run = text("%s/%s", shared, slash + 1);
		ssize_t n = readlink(text("%s/home", run), home, sizeof home - 1);
		if (n < 0) break;
		home[n] = 0;
		if (!strcmp(home, dir)) break;
	}
	struct stat st;
	make_directory(shared, 0755);
	if (!dry && (lstat(shared, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	             (st.st_mode & 022)))
		strerr_dief(111, shared, " is not ours alone");
	make_directory(run, 0755);
	make_link(dir, text("%s/home", run));
	make_link(run, text("%s/run", dir));
}

/* svc/: where this program is installed, so that a newer installation brings its services along. */
static void make_svc(void)
{
	char self[PATH_MAX], svc[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0) strerr_diefusys(111, "read /proc/self/exe");
	self[n] = 0;
	*strrchr(self, '/') = 0;
	if (!realpath(text("%s/svc", self), svc) && !realpath(text("%s/../../svc", self), svc))
		strerr_diefusys(111, "find svc beside ", self);
	make_link(svc, text("%s/svc", dir));
}

static void find_dir(const char *name)
{
	if (!dry && mkdir(name, 0755) < 0 && errno != EEXIST)
		strerr_diefusys(111, "make directory ", name);
	if (realpath(name, dir)) return;
	if (!dry || errno != ENOENT) strerr_diefusys(111, "find ", name);
	snprintf(dir, sizeof dir, "%s%s", *name == '/' ? "" : "./", name);
}

static void make_node(const char *node_id, const char *cluster_id, const char *host,
                      const char *port)
{
	char *env = text("%s/env", dir), *new = text("%s/env.new", dir);
	if (!access(env, F_OK)) strerr_dief(1, dir, " is the directory of a node already");
	make_log(text("%s/log", dir), node_id, cluster_id);
	set_listeners(host, port);
	set_default("process.roles", "broker,controller");
	set_default("controller.listener.names", "CONTROLLER");
	set_default("inter.broker.listener.name", "PLAINTEXT");
	set_default("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT");
	set_default("log.dirs", text("%s/log", dir));
	make_directory(text("%s/scratch", dir), 0755);
	make_directory(text("%s/logs", dir), 0755);
	make_svc();
	make_run();
	empty_env(new);
	make_env(new);   /* last, under its name when complete: env/ makes the directory a node's */
	if (!dry && rename(new, env) < 0) strerr_diefusys(111, "rename ", new, " to ", env);
}

static void update_node(const char *host, const char *port)
{
	char *env = text("%s/env", dir);
	if (access(env, F_OK) < 0) strerr_dief(1, dir, " is not the directory of a node");
	set_listeners(host, port);
	make_svc();
	make_run();
	make_env(env);
}

int main(int argc, char const *const *argv)
{
	const char *host = NULL, *port = NULL, *node_id = NULL, *cluster_id = NULL;
	bool update = false;
	struct uuid u;
	subgetopt l = SUBGETOPT_ZERO;
	for (int o; (o = subgetopt_r(argc, argv, "nua:p:i:k:c:", &l)) != -1;) {
		switch (o) {
		case 'n': dry = true; break;
		case 'u': update = true; break;
		case 'a': host = l.arg; break;
		case 'p': port = l.arg; break;
		case 'i': node_id = l.arg; break;
		case 'k': cluster_id = l.arg; break;
		case 'c': set_option(l.arg); break;
		default: strerr_dieusage(100, USAGE);
		}
	}
	argc -= l.ind;
	argv += l.ind;
	if (argc != 1 || (update && (node_id || cluster_id))) strerr_dieusage(100, USAGE);
	if (node_id && (!*node_id || strspn(node_id, "0123456789") != strlen(node_id) ||
	                strlen(node_id) > 9))
		strerr_dief(100, "not a node id: ", node_id);
	if (cluster_id && uuid_parse(&u, span_of(cluster_id)) < 0)
		strerr_dief(100, "not a cluster id of 22 base64url characters: ", cluster_id);
	find_dir(argv[0]);
	if (update) update_node(host, port);
	else make_node(node_id, cluster_id, host, port);
	return fflush(stdout) ? 111 : 0;
}
