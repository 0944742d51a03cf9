// The threads that share one run: PyTorch's own OpenMP team, asked for by the names that every OpenMP runtime exports,
// so that no second runtime comes in and any compiler will do.
#pragma once
#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>

struct Range {
    long begin, end;
    // The share of one of `parts`.
    Range share(long part, long parts) const {
        long n = end - begin;
        return {begin + n * part / parts, begin + n * (part + 1) / parts};
    }
};

class Barrier {
    std::atomic<int> arrived{0};
    std::atomic<long> round{0};

public:
    // Returns when all `size` threads have come. Gives the core away soon: with more threads than free cores, who
    // spins keeps the others from arriving.
    void wait(int size) {
        if (size == 1) return;
        long now = round.load(std::memory_order_relaxed);
        if (arrived.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
            arrived.store(0, std::memory_order_relaxed);
            round.store(now + 1, std::memory_order_release);
            return;
        }
        for (long spins = 0; round.load(std::memory_order_acquire) == now; spins++) {
            if (spins > 200) sched_yield();
#if defined(__x86_64__)
            else __builtin_ia32_pause();
#endif
        }
    }
};

struct Member {
    int rank, size;
};

// Whether this process was forked off one whose team had started: the child has none of its threads, and would wait for
// them for ever.
inline bool without_its_team() {
    static const pid_t first = getpid();
    return getpid() != first;
}

// Calls work(member) on `threads` threads at once, or on as many as the runtime gives.
template <class Work> void together(long threads, Work work) {
    static auto parallel = (void (*)(void (*)(void*), void*, unsigned, unsigned))dlsym(RTLD_DEFAULT, "GOMP_parallel");
    static auto rank = (int (*)())dlsym(RTLD_DEFAULT, "omp_get_thread_num");
    static auto size = (int (*)())dlsym(RTLD_DEFAULT, "omp_get_num_threads");
    if (threads == 1 || !parallel || !rank || !size || without_its_team()) return work(Member{0, 1});
    parallel([](void* data) { (*(Work*)data)(Member{rank(), size()}); }, &work, unsigned(threads), 0);
}
