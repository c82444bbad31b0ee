/* LLVM's OpenMP runtime beside ours in one process.
 *
 * usage: two_runtimes BACKENDS NAME      exit code 77: skipped, because there is no libomp.so.5
 *
 * As it is: libomp is visible to this program's own code only, the plug-in computes with libgomp: two runtimes, two pools of
 * threads.  With LD_PRELOAD=libomp.so.5, libomp comes first, as in a program linked with it: it offers libgomp's functions
 * too, under their names and versions, so the plug-in's and oneDNN's calls end there, in another runtime than they were
 * built for.
 *
 * Both sides compute alone, in turns and at the same time; results must be those computed alone. */
#include "process/scene.h"

#include <dlfcn.h>

enum { N_ROUNDS = 20, N_TERMS = 400000, MAX_TEAM = 64 };

static void (*gomp_parallel)(void (*)(void *), void *, unsigned, unsigned);
static int (*thread_number)(void);
static int (*team_size)(void);

/* ---- the program's own parallel computation ------------------------------------------------------------------ */

typedef struct their_sum {
    double parts[MAX_TEAM];
    int team;
} their_sum;

static void sum_part(void *user) {
    their_sum *s = user;
    int me = thread_number(), n = team_size();
    double sum = 0;
    for (int i = me; i < N_TERMS; i += n) sum += sin((double)i) / (i + 1);
    s->parts[me] = sum;
    if (me == 0) s->team = n;
}

/* Parts are added in order, so that the sum has the same bits every time. */
static double theirs(void) {
    their_sum s = {{0}, 0};
    double sum = 0;
    gomp_parallel(sum_part, &s, 2, 0);
    for (int i = 0; i < s.team; i++) sum += s.parts[i];
    return s.team == 2 ? sum : NAN;
}

/* ---- the test ----------------------------------------------------------------------------------------------- */

typedef struct both {
    const oassl_model *model;
    const scene *scene;
    float maps[2 * SCENE_PIXELS];
    double sum;
} both;

static void check_ours(scene_thread *me, const both *b) {
    float maps[2 * SCENE_PIXELS];
    if (scene_localize(b->model, b->scene, 96, maps) != OASSL_STATUS_OK) WRONG(me, "ours: %s", oassl_last_error());
    else if (memcmp(maps, b->maps, sizeof maps) != 0) WRONG(me, "our map is not the one computed alone");
}

static void check_theirs(scene_thread *me, const both *b) {
    double sum = theirs();
    if (!(sum == b->sum)) WRONG(me, "their sum is %.17g, alone %.17g", sum, b->sum);
}

static void compute_at_the_same_time(scene_thread *me) {
    for (int round = 0; round < N_ROUNDS && !me->wrong[0]; round++) {
        if (me->number % 2 == 0) check_ours(me, me->user);
        else check_theirs(me, me->user);
    }
}

static void compute_in_turns(scene_thread *me) {
    for (int round = 0; round < N_ROUNDS && !me->wrong[0]; round++) {
        check_ours(me, me->user);
        if (!me->wrong[0]) check_theirs(me, me->user);
    }
}

static int open_runtime(void) {
    void *library = dlopen("libomp.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library) return printf("SKIPPED: %s (Debian: apt install libomp5)\n", dlerror()), 0;
    *(void **)&gomp_parallel = dlsym(library, "GOMP_parallel");
    *(void **)&thread_number = dlsym(library, "omp_get_thread_num");
    *(void **)&team_size = dlsym(library, "omp_get_num_threads");
    return gomp_parallel && thread_number && team_size;
}

static void print_runtimes(void) {
    char line[1024], last[1024] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    printf("OpenMP runtimes mapped:");
    while (maps && fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/');
        if (!path || (!strstr(path, "libomp") && !strstr(path, "libgomp") && !strstr(path, "libiomp")) || strcmp(path, last) == 0) continue;
        strcpy(last, path);
        printf(" %.*s", (int)strcspn(path, "\n"), path);
    }
    printf("\n");
    if (maps) fclose(maps);
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: two_runtimes BACKENDS NAME\n"), 2;
    if (!open_runtime()) return 77;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    oassl_context *context;
    static scene s;
    static both b;
    scene_fill(&s, 1);
    options.backend = "onednn";
    options.backend_path = argv[1];
    options.n_threads = 2;
    if (oassl_context_create(&options, &context) != OASSL_STATUS_OK) return fprintf(stderr, "FAILED: %s\n", oassl_last_error()), 1;
    oassl_model *model = scene_model(context, 16);
    b = (both){.model = model, .scene = &s, .sum = theirs()};
    if (scene_localize(model, &s, 96, b.maps) != OASSL_STATUS_OK) return fprintf(stderr, "FAILED: %s\n", oassl_last_error()), 1;

    const char *wrong = scene_run_threads(1, compute_in_turns, &b);
    printf("%s, in turns: %s\n", argv[2], *wrong ? wrong : "equal");
    int failures = *wrong != 0;
    wrong = scene_run_threads(2, compute_at_the_same_time, &b);
    printf("%s, at the same time: %s\n", argv[2], *wrong ? wrong : "equal");
    failures += *wrong != 0;
    print_runtimes();
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return failures > 0;
}
