/* SPDX-License-Identifier: MIT */
/*
 * machine.pml: the machine that your model runs on, and what is claimed of it. You get it complete.
 *
 * Each CPU wants memory once: it runs your `cpu`. One frame makes one page of the heap, and one
 * object takes one page. The switches say which protocol is modelled. `make model LAB=7` sets
 * them, and your model reads them.
 *
 * A run checks one of the claims. While a machine can go on, SPIN tries every order of the CPUs'
 * steps; when nothing can go on, `timeout` is true, and init looks at what has become of them.
 *
 * Limits: each step is seen by all CPUs at once; there is no interrupt, no kfree(), and no object
 * of another size.
 */

#define MAX_CPUS     3
#define STACK_CALLS  6          /* nested calls that a stack has room for: two rescues in each other */

/* The claims. */
#define NO_DEADLOCK  1          /* it goes on until every CPU has finished */
#define NO_OVERFLOW  2          /* no CPU's calls are nested deeper than STACK_CALLS */
#define NO_NULL      3          /* no CPU gets NULL while frames are left */
#define NO_HELP      4          /* no rescue ever helps: false where a right model does its work */

/* The functions, as `enters` and `leaves` want them, and the locks. */
#define KMALLOC      0
#define HEAP_RESCUE  1
#define LOG_RECORD   2

#define heap_lock    0
#define log_lock     1
#define NR_LOCKS     2

/* ---- the switches: your model reads them, and does what they say */

bool kmalloc_unlocks;           /* kmalloc gives heap_lock back before it calls heap_rescue, and takes it
                                 * again afterwards. heap_rescue then holds it for heap_add alone */
bool rescue_unlocks;            /* heap_rescue gives heap_lock back as its first step. When it has tried
                                 * for a frame, it takes the lock again, and returns with it held */
bool rescue_logs;               /* heap_rescue calls log_record before it tries for a frame */
bool log_allocates;             /* log_record calls kmalloc for the memory of its record */
bool log_locks;                 /* log_record holds log_lock from its first step to its last */
bool asks_again;                /* kmalloc calls heap_rescue until there is a page or heap_rescue has found
                                 * no frame; if this is false, it calls heap_rescue once */

/* ---- the state: only the steps below use it */

byte claim;
byte nr_cpus;
byte frames;                    /* that are free */
byte pages;                     /* that the heap has left */
bool locks_nest;                /* may a CPU take a lock that it holds already? */
byte holder[NR_LOCKS];          /* 1 + the CPU that holds the lock, or 0 */
byte nr_more[NR_LOCKS];         /* how often the holder has taken it once more */
byte depth[MAX_CPUS];           /* nested calls */
byte nr_finished;
byte nr_served;                 /* CPUs that have finished with memory */
bool overflowed;                /* a stack was full: the whole machine stops */
bool rescued;                   /* has heap_rescue been called? */
bool recorded;                  /* has log_record? */

c_decl {
	static int setting(const char *name, int usual)
	{
		const char *value = getenv(name);

		return value ? atoi(value) : usual;
	}
};

/* ---- the steps of your model. `me` is the CPU, 0 to nr_cpus - 1. */

/* A function begins: KMALLOC, HEAP_RESCUE or LOG_RECORD. */
inline enters(me, function)
{
	atomic {
		!overflowed;
		printf("@ enters %d %d\n", me, function);
		depth[me]++;
		rescued = rescued || function == HEAP_RESCUE;
		recorded = recorded || function == LOG_RECORD;
		if
		:: depth[me] > STACK_CALLS ->
			overflowed = true;
			assert(claim != NO_OVERFLOW);
			false
		:: else
		fi
	}
}

/* It ends. */
inline leaves(me, function)
{
	atomic {
		printf("@ leaves %d %d\n", me, function);
		depth[me]--
	}
}

/* Waits until nobody holds the lock, and takes it. */
inline spin_lock(me, lock)
{
	atomic {
		printf("@ wants %d %d\n", me, lock);
		if
		:: !overflowed && holder[lock] == 0 -> holder[lock] = 1 + me
		:: !overflowed && locks_nest && holder[lock] == 1 + me -> nr_more[lock]++
		fi;
		printf("@ takes %d %d\n", me, lock)
	}
}

/* Gives back a lock that this CPU holds. */
inline spin_unlock(me, lock)
{
	atomic {
		assert(holder[lock] == 1 + me);
		printf("@ releases %d %d\n", me, lock);
		if
		:: nr_more[lock] > 0 -> nr_more[lock]--
		:: else -> holder[lock] = 0
		fi
	}
}

/* Takes a page for an object; `got`: whether the heap had one. This CPU holds heap_lock. */
inline heap_take(me, got)
{
	atomic {
		assert(holder[heap_lock] == 1 + me);
		got = pages > 0;
		pages = pages - got
	}
}

/* Gives the heap a frame as its page. This CPU holds heap_lock. */
inline heap_add(me)
{
	atomic {
		assert(holder[heap_lock] == 1 + me);
		pages++
	}
}

/* Takes a frame; `got`: whether there was one. Its own lock is not modelled. */
inline frame_alloc(got)
{
	atomic {
		got = frames > 0;
		frames = frames - got
	}
}

/* The CPU's kmalloc has returned: with memory if `got`, or with NULL. */
inline finishes(me, got)
{
	atomic {
		printf("@ finishes %d %d\n", me, got);
		nr_finished++;
		nr_served = nr_served + got;
		assert(claim != NO_NULL || got || frames == 0)
	}
}

/* ---- the machine: starts its CPUs, and looks at them when nothing goes on any more */

init
{
	byte each;

	atomic {
		c_code {
			now.claim = setting("CLAIM", NO_DEADLOCK);
			now.nr_cpus = setting("CPUS", 1);
			now.frames = setting("FRAMES", now.nr_cpus);
			now.pages = setting("PAGES", 0);
			now.locks_nest = setting("locks_nest", 0);
			now.kmalloc_unlocks = setting("kmalloc_unlocks", 0);
			now.rescue_unlocks = setting("rescue_unlocks", 0);
			now.rescue_logs = setting("rescue_logs", 1);
			now.log_allocates = setting("log_allocates", 0);
			now.log_locks = setting("log_locks", 0);
			now.asks_again = setting("asks_again", 0);
		};
		do
		:: each < nr_cpus -> run cpu(each); each++
		:: else -> break
		od
	};
	timeout -> atomic {
		assert(claim != NO_DEADLOCK || overflowed || nr_finished == nr_cpus);
		assert(claim != NO_HELP || nr_served < nr_cpus || !rescued || (rescue_logs && !recorded))
	}
}
