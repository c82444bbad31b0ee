/* Disks that are full, read-only or failing, for everything that the library writes: the status names the file, the old
 * file survives, no temporary file stays, and the same call works when the disk does again. */
#define FAULT_DIR OASSL_TEST_TMP "/fault_disk"
#define TOOL OASSL_TEST_BACKENDS "/../../bin/oassl"
#include "fault/io_faults.h"
#include "fault/operations.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char old_text[] = "what was there before";

/* ---- what is on the disk ---------------------------------------------------------------------------------------- */

static long n_temporary, n_old, n_files;

static int look_at(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)where;
    if (kind != FTW_F) return 0;
    n_files++;
    n_temporary += strstr(path, ".tmp-") != NULL;
    if (info->st_size == (off_t)sizeof old_text) n_old++;
    return 0;
}

static void look_around(void) {
    n_temporary = n_old = n_files = 0;
    nftw(FAULT_DIR, look_at, 16, FTW_PHYS);
}

static int remove_temporary(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)where;
    if (kind == FTW_F && strstr(path, ".tmp-")) syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    return 0;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool holds_old_text(const char *path) {
    return digest_file(0, path) == digest_bytes(0, old_text, sizeof old_text);
}

/* What the failing call was about, without the temporary name's end. */
static void victim_path(char *out) {
    snprintf(out, DISK_PATH, "%s", disk.victim);
    char *end = strstr(out, ".tmp-");
    if (end) *end = '\0';
}

/* ---- one fault -------------------------------------------------------------------------------------------------- */

static long disk_arm(disk_fault kind, long at) {
    disk.seen = 0;
    disk.fired = false;
    disk.victim[0] = '\0';
    disk.kind = kind;
    disk.at = at;
    disk.armed = true;
    return 0;
}

static long disk_disarm(void) {
    disk.armed = false;
    return disk.seen;
}

static bool disk_status(oassl_status status) {
    return status == OASSL_STATUS_IO || status == OASSL_STATUS_OUT_OF_MEMORY; /* a map that was refused */
}

/* The file was replaced and then its folder could not be made durable: the one failure that leaves the new file. */
static bool failed_after_rename(void) { return is_folder(disk.victim); }

static void check_failure(const operation *op, disk_fault kind, long at, oassl_status status, bool had_old,
                          injection_tally *tally) {
    char victim[DISK_PATH];
    victim_path(victim);
    if (!disk_status(status))
        complain(tally, "%s: call %ld of kind %d refused gave %s: %s", op->name, at, kind, oassl_status_name(status),
                 oassl_last_error());
    if (!strstr(oassl_last_error(), victim))
        complain(tally, "%s: call %ld of kind %d: '%s' is not named: %s", op->name, at, kind, victim, oassl_last_error());
    look_around();
    if (n_temporary && kind != DISK_READ_ONLY)
        complain(tally, "%s: call %ld of kind %d left %ld temporary files", op->name, at, kind, n_temporary);
    if (had_old && !failed_after_rename() && !holds_old_text(op->out))
        complain(tally, "%s: call %ld of kind %d: the old file is gone", op->name, at, kind);
    nftw(FAULT_DIR, remove_temporary, 16, FTW_PHYS); /* a read-only disk's */
}

static void fail_at(const operation *op, disk_fault kind, long at, uint64_t want, injection_tally *tally) {
    uint64_t digest = 0;
    if (op->each) must_open(op);
    bool had_old = !is_folder(op->out);
    if (had_old) tiny_write_file(op->out, old_text, sizeof old_text);
    disk_arm(kind, at);
    oassl_status status = op->run(&digest);
    disk_disarm();
    tally->tried++;
    if (status == OASSL_STATUS_OK) {
        tally->tolerated += disk.fired;
        if (disk.fired && getenv("OASSL_FAULT_TRACE")) print_message("tolerated: %s\n", disk.victim);
        if (digest != want) complain(tally, "%s: call %ld of kind %d: OK with another result", op->name, at, kind);
    } else {
        tally->failed++;
        check_failure(op, kind, at, status, had_old, tally);
        digest = 0;
        status = op->run(&digest);
        if (status != OASSL_STATUS_OK)
            complain(tally, "%s: call %ld of kind %d: the repetition failed: %s", op->name, at, kind, oassl_last_error());
        else if (digest != want)
            complain(tally, "%s: call %ld of kind %d: the repetition gave another result", op->name, at, kind);
    }
    if (op->each) shut(op);
}

static long fail_everywhere(const operation *op) {
    static const char *const kinds[] = {"one call", "full", "short, full", "read-only"};
    long wrong = 0;
    if (!op->each) must_open(op);
    for (int kind = DISK_ONCE; kind <= DISK_READ_ONLY; kind++) {
        injection_tally tally = {0};
        oai_rng rng = oai_rng_stream(20, 3);
        if (op->each) must_open(op);
        disk_arm((disk_fault)kind, -1);
        uint64_t want = must_run(op);
        tally.n = disk_disarm();
        if (op->each) shut(op);
        for (long at = 0; at < tally.n; at = next_point(op, at, tally.n, &rng))
            fail_at(op, (disk_fault)kind, at, want, &tally);
        print_message("%-24s %-12s %5ld calls, %5ld tried: %5ld failed, %3ld tolerated\n", op->name, kinds[kind], tally.n,
                      tally.tried, tally.failed, tally.tolerated);
        wrong += tally.wrong;
    }
    if (!op->each) shut(op);
    return wrong;
}

static void test_writers(void **state) {
    (void)state;
    long wrong = 0;
    for (size_t i = 0; i < sizeof writing_operations / sizeof *writing_operations; i++)
        wrong += fail_everywhere(&writing_operations[i]);
    static const operation captions = {"encode captions", NULL, run_captions_encode, NULL, .slow = true, .out = AT("out.npz")};
    wrong += fail_everywhere(&captions);
    if (wrong) fail_msg("%ld answers were wrong", wrong);
}

static void test_training(void **state) {
    (void)state;
    if (fail_everywhere(&whole_training)) fail_msg("wrong answers");
}

/* The run's own temporary files are swept by the next run; those of another file are not a read-only disk's to lose. */
static void remove_end(void) {
    DIR *folder = opendir(AT("run"));
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (strncmp(entry->d_name, "end.safetensors.tmp-", 20) == 0) unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

/* The trainer goes while the disk is still full or read-only; another one takes up what it left. */
static void test_resuming(void **state) {
    (void)state;
    uint64_t want, got;
    MUST(open_trainer());
    MUST(run_trainer_run(&want));
    close_trainer();
    for (disk_fault kind = DISK_FULL; kind <= DISK_READ_ONLY; kind++) {
        MUST(open_trainer());
        disk_arm(kind, -1);
        MUST(run_trainer_run(&got));
        long n = disk_disarm();
        close_trainer();
        for (long at = 0; at < n; at++) {
            MUST(open_trainer());
            disk_arm(kind, at);
            oassl_status status = run_trainer_run(&got);
            close_trainer();
            disk_disarm();
            if (!disk_status(status)) fail_msg("call %ld of kind %d: %s", at, kind, oassl_last_error());
            oassl_trainer_options options = training_options();
            MUST(oassl_trainer_create(context, &options, AT("data/manifest.jsonl"), AT("data/captions.npz"), AT("run"),
                                      &trainer));
            if (tiny_exists(AT("run/last.safetensors"))) MUST(oassl_trainer_resume(trainer));
            MUST(run_trainer_run(&got));
            close_trainer();
            remove_end();
            look_around();
            if (got != want || n_temporary)
                fail_msg("call %ld of kind %d: resumed, other weights, or %ld temporary files", at, kind, n_temporary);
        }
        print_message("train, resumed by another: %ld calls of kind %d\n", n, kind);
    }
}

/* ---- real limits ------------------------------------------------------------------------------------------------ */

/* A call on a disk that really is full, read-only, ...: it may also succeed where there is room enough. */
static bool run_on_bad_disk(const operation *op, const char *how, uint64_t want) {
    uint64_t digest = 0;
    bool had_old = !is_folder(op->out) && tiny_exists(op->out);
    oassl_status status = op->run(&digest);
    if (status == OASSL_STATUS_OK) {
        if (digest != want) fail_msg("%s, %s: OK with another result", op->name, how);
        return true;
    }
    if (!disk_status(status) || !strstr(oassl_last_error(), FAULT_DIR))
        fail_msg("%s, %s: %s: %s", op->name, how, oassl_status_name(status), oassl_last_error());
    look_around();
    if (n_temporary) fail_msg("%s, %s: %ld temporary files", op->name, how, n_temporary);
    if (had_old && !holds_old_text(op->out)) fail_msg("%s, %s: the old file is gone", op->name, how);
    return false;
}

/* No file may become longer than so many bytes; needs no privileges. */
static void test_file_size_limit(void **state) {
    (void)state;
    struct rlimit usual, low;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &usual);
    for (size_t i = 0; i < sizeof writing_operations / sizeof *writing_operations; i++) {
        const operation *op = &writing_operations[i];
        int n_failed = 0;
        must_open(op);
        uint64_t want = must_run(op);
        for (rlim_t bytes = 0; bytes < 1 << 19; bytes = bytes * 2 + 1) {
            low = (struct rlimit){bytes, usual.rlim_max};
            if (!is_folder(op->out)) tiny_write_file(op->out, old_text, sizeof old_text);
            setrlimit(RLIMIT_FSIZE, &low);
            n_failed += !run_on_bad_disk(op, "with a file size limit", want);
            setrlimit(RLIMIT_FSIZE, &usual);
        }
        if (must_run(op) != want) fail_msg("%s: not as before the limits", op->name);
        shut(op);
        assert_true(n_failed > 0);
    }
    signal(SIGXFSZ, SIG_DFL);
}

/* The tool's page of results, written by a child whose files may not become longer than so many bytes.  Its exit code;
 * what it said is in `said`. */
static int report_with_limit(rlim_t bytes, char *said, size_t capacity) {
    int ends[2], how;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit low = {bytes, bytes};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &low);
        dup2(ends[1], 2);
        execl(TOOL, "oassl", "report", "--out", AT("page.html"), AT("result.json"), (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    long n, used = 0;
    while ((n = syscall(SYS_read, ends[0], said + used, capacity - 1 - (size_t)used)) > 0) used += n;
    said[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) != 127);
    return WEXITSTATUS(how);
}

static int count_pages(void) {
    int n = 0;
    DIR *folder = opendir(FAULT_DIR);
    for (const struct dirent *entry; (entry = readdir(folder));) n += strncmp(entry->d_name, "page.html", 9) == 0;
    closedir(folder);
    return n;
}

static void test_report(void **state) {
    (void)state;
    char said[4096], text[65536];
    uint64_t digest, bytes;
    if (access(TOOL, X_OK) != 0) skip();
    oassl_metric *metric;
    MUST(oassl_metric_create(context, NULL, &metric));
    MUST(score_pictures(metric, &digest));
    MUST(oassl_metric_json(metric, text, sizeof text, &bytes));
    oassl_metric_destroy(metric);
    tiny_write_file(AT("result.json"), text, strlen(text));
    if (report_with_limit(RLIM_INFINITY, said, sizeof said) != 0) fail_msg("oassl report: %s", said);
    int n_failed = 0;
    for (rlim_t limit = 0; limit < 1 << 16; limit = limit * 2 + 1) {
        tiny_write_file(AT("page.html"), old_text, sizeof old_text);
        int code = report_with_limit(limit, said, sizeof said);
        assert_int_equal(count_pages(), 1);
        if (code == 0) continue;
        n_failed++;
        if (!strstr(said, AT("page.html"))) fail_msg("no file is named: %s", said);
        assert_true(holds_old_text(AT("page.html")));
    }
    assert_true(n_failed > 5);
}

/* Leaves so many pages free on the disk of FAULT_DIR. */
static void fill_disk(int n_pages) {
    static const char page[4096];
    int file = (int)syscall(SYS_openat, AT_FDCWD, AT("filler"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    long bytes = 0, n;
    while ((n = syscall(SYS_write, file, page, sizeof page)) > 0) bytes += n;
    if (syscall(SYS_ftruncate, file, bytes > 4096L * n_pages ? bytes - 4096L * n_pages : 0) != 0) fail();
    syscall(SYS_close, file);
}

/* A small tmpfs in the place of FAULT_DIR, filled up and then made read-only; needs root. */
static void test_small_disk(void **state) {
    (void)state;
    if (mount("none", FAULT_DIR, "tmpfs", 0, "size=4m") != 0) skip();
    write_inputs();
    for (size_t i = 0; i < sizeof writing_operations / sizeof *writing_operations; i++) {
        const operation *op = &writing_operations[i];
        int n_failed = 0;
        must_open(op);
        uint64_t want = must_run(op);
        for (int n_pages = 0; n_pages < 40; n_pages += n_pages < 8 ? 1 : 8) {
            if (is_folder(op->out))
                nftw(op->out, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* else each file takes the room of its old one */
            else
                tiny_write_file(op->out, old_text, sizeof old_text);
            fill_disk(n_pages);
            n_failed += !run_on_bad_disk(op, "on a full disk", want);
            remove(AT("filler"));
        }
        if (must_run(op) != want) fail_msg("%s: not as before the full disk", op->name);
        if (n_failed == 0) fail_msg("%s: never failed on a full disk", op->name);
        if (!is_folder(op->out)) tiny_write_file(op->out, old_text, sizeof old_text);
        assert_int_equal(mount("none", FAULT_DIR, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m"), 0);
        assert_false(run_on_bad_disk(op, "on a read-only disk", want));
        assert_int_equal(mount("none", FAULT_DIR, "tmpfs", MS_REMOUNT, "size=4m"), 0);
        shut(op);
    }
}

static int leave_small_disk(void **state) {
    (void)state;
    umount(FAULT_DIR);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_writers), cmocka_unit_test(test_training),
                                       cmocka_unit_test(test_resuming), cmocka_unit_test(test_file_size_limit), cmocka_unit_test(test_report),
                                       cmocka_unit_test_teardown(test_small_disk, leave_small_disk)};
    return cmocka_run_group_tests(tests, open_reference, close_reference);
}
