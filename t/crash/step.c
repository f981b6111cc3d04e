/* step N FILE PROGRAM ARG...: runs a program with all that it starts, and kills the process that is
 * about to make the Nth system call that changes files or writes (0: none is killed). FILE gets how
 * many such calls were begun, and the name of the last. Exit: the program's code; 137 when the kill
 * met the program itself or what it started; 100 usage, 111 cannot trace. SIGTERM goes to the
 * program. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct call {
	int number;
	const char *name;
} calls[] = {
#define CALL(name) {SYS_##name, #name}
	CALL(write), CALL(pwrite64), CALL(writev), CALL(pwritev), CALL(pwritev2),
	CALL(fsync), CALL(fdatasync), CALL(syncfs), CALL(sync_file_range), CALL(msync),
	CALL(ftruncate), CALL(truncate), CALL(fallocate), CALL(copy_file_range), CALL(sendfile),
	CALL(openat), CALL(unlinkat), CALL(mkdirat), CALL(renameat2), CALL(linkat),
	CALL(symlinkat), CALL(fchmod), CALL(fchmodat),
#ifdef SYS_open
	CALL(open), CALL(creat), CALL(unlink), CALL(mkdir), CALL(rmdir), CALL(link),
	CALL(symlink),
#endif
#ifdef SYS_rename
	CALL(rename),
#endif
#ifdef SYS_renameat
	CALL(renameat),
#endif
#undef CALL
};
enum { CALLS = sizeof calls / sizeof *calls };

static void die(const char *what)
{
	fprintf(stderr, "step: fatal: unable to %s: %s\n", what, strerror(errno));
	exit(111);
}

/* The kernel stops the process at those calls only, so that all others cost nothing. */
static void filter(void)
{
	struct sock_filter code[2 + 2 * CALLS];
	int n = 0;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		offsetof(struct seccomp_data, nr));
	for (int i = 0; i < CALLS; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			(unsigned)calls[i].number, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog p = {.len = (unsigned short)n, .filter = code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
	    || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) < 0)
		die("filter system calls");
}

/* The name of the call at which pid stopped when it counts, else NULL. */
static const char *stopped_at(pid_t pid)
{
	struct __ptrace_syscall_info info;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0)
		return NULL;
	long number = (long)info.seccomp.nr;
	uint64_t flags = info.seccomp.args[2];
#ifdef SYS_open
	if (number == SYS_open)
		flags = info.seccomp.args[1];
	if ((number == SYS_open || number == SYS_openat) && !(flags & (O_CREAT | O_TRUNC)))
		return NULL;
#else
	if (number == SYS_openat && !(flags & (O_CREAT | O_TRUNC)))
		return NULL;
#endif
	for (int i = 0; i < CALLS; i++)
		if (calls[i].number == number)
			return calls[i].name;
	return NULL;
}

static void report(const char *file, long n, const char *name)
{
	FILE *f = fopen(file, "w");
	if (!f || fprintf(f, "%ld %s\n", n, name) < 0 || fclose(f) != 0)
		die("write the report");
}

static pid_t program;

static void pass_on(int sig)
{
	kill(program, sig);
}

/* Turns until the program ends; its status. */
static int trace(pid_t child, long at, long *n, const char **name, int *killed)
{
	for (int status;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			die("wait");
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == child)
				return status;
			continue;
		}
		int sig = WSTOPSIG(status);
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			const char *call = stopped_at(pid);
			sig = 0;
			if (call && !*killed)
				*name = call;
			if (call && ++*n == at)
				*killed = kill(pid, SIGKILL) == 0;
		} else if (status >> 16 || sig == SIGTRAP || (sig == SIGSTOP && pid != child)) {
			sig = 0;    /* of the tracing itself */
		}
		ptrace(PTRACE_CONT, pid, 0, sig);
	}
}

int main(int argc, char **argv)
{
	long n = 0;
	int killed = 0;
	const char *name = "-";
	if (argc < 4) {
		fputs("step: usage: step N FILE PROGRAM ARG...\n", stderr);
		return 100;
	}
	long at = atol(argv[1]);
	int go[2];
	char c;
	if (pipe2(go, O_CLOEXEC) < 0)
		die("make a pipe");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		close(go[1]);
		if (read(go[0], &c, 1) < 0)    /* until it is traced */
			die("wait");
		filter();
		execvp(argv[3], argv + 3);
		die("run the program");
	}
	if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL
	           | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE) < 0)
		die("trace");
	program = child;
	signal(SIGTERM, pass_on);
	close(go[1]);
	int status = trace(child, at, &n, &name, &killed);
	report(argv[2], n, name);
	return killed || WIFSIGNALED(status) ? 137 : WEXITSTATUS(status);
}
