//! One task in the background: started on first use, started again when it has ended with its runtime, and never
//! after it was closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::waiters::Waiters;

/// What runs in the background, for ever.
///
/// A type that implements it holds a [`TaskSlot`] and the [`Waiters`] that its task serves. Dropping the owner's
/// handle does not end the task, which holds an `Arc` of its own: call [`TaskSlot::close`].
pub trait Background: Send + Sync + Sized + 'static {
    /// The slot of the task.
    fn slot(&self) -> &TaskSlot;

    /// Who waits for what the task does. They look again when it has ended.
    fn waiters(&self) -> &Waiters;

    /// The work. It is not meant to end.
    fn run(&self) -> impl Future<Output = ()> + Send;

    /// The task has ended: it panicked, or it went with its runtime. No other starts before this returns.
    fn ended(&self, has_panicked: bool);
}

/// Whether a task runs, and how to end it.
#[derive(Debug, Default)]
pub struct TaskSlot {
    /// Written under the lock of `state` only.
    is_running: AtomicBool,
    /// Held neither across an await nor while a task is spawned.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    /// Counts the tasks, so that a handle is never taken for that of a later one.
    number: u64,
    task: Option<AbortHandle>,
}

impl TaskSlot {
    /// Whether the task runs now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    /// Ends the task. None is started from now on.
    pub fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Nothing that can panic runs under this lock but [`Background::ended`], after which no field is read.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the task unless it runs. Says whether it does.
///
/// It does not without a tokio runtime around the caller, nor after [`TaskSlot::close`].
pub fn ensure_running<B: Background>(background: &Arc<B>) -> bool {
    background.slot().is_running() || start(background)
}

#[cold]
fn start<B: Background>(background: &Arc<B>) -> bool {
    let Ok(runtime) = Handle::try_current() else { return false };
    let slot = background.slot();
    let number = {
        let mut state = slot.state();
        if state.is_closed {
            return false;
        }
        // Another caller may have been faster.
        if slot.is_running() {
            return true;
        }
        slot.is_running.store(true, Ordering::Release);
        state.number += 1;
        state.number
    };
    // Outside the lock: a runtime that shuts down drops the future at once, and its end takes the lock.
    let running = Running(Arc::clone(background));
    let task = runtime.spawn(async move { running.0.run().await }).abort_handle();
    let mut state = slot.state();
    if state.is_closed {
        drop(state);
        task.abort();
        return false;
    }
    if state.number == number {
        state.task = Some(task);
    }
    true
}

/// Held by the task: says that it runs until it is dropped, by the end of the runtime too.
struct Running<B: Background>(Arc<B>);

impl<B: Background> Drop for Running<B> {
    fn drop(&mut self) {
        let slot = self.0.slot();
        let state = slot.state();
        self.0.ended(std::thread::panicking());
        slot.is_running.store(false, Ordering::Release);
        drop(state);
        self.0.waiters().notify();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;
    use crate::now::monotonic_now;

    /// Counts what happens to its task, which answers each question unless it panics at the first.
    #[derive(Debug)]
    struct Counter {
        slot: TaskSlot,
        waiters: Waiters,
        wake: tokio::sync::Notify,
        panics: AtomicUsize,
        starts: AtomicUsize,
        ends: AtomicUsize,
        /// Of the ends.
        panicked: AtomicUsize,
        answers: AtomicUsize,
    }

    impl Counter {
        fn new(panics: usize) -> Arc<Self> {
            Arc::new(Self {
                slot: TaskSlot::default(),
                waiters: Waiters::new(8),
                wake: tokio::sync::Notify::new(),
                panics: AtomicUsize::new(panics),
                starts: AtomicUsize::new(0),
                ends: AtomicUsize::new(0),
                panicked: AtomicUsize::new(0),
                answers: AtomicUsize::new(0),
            })
        }

        fn counts(&self) -> (usize, usize) {
            (self.starts.load(Ordering::SeqCst), self.ends.load(Ordering::SeqCst))
        }

        async fn ask(self: &Arc<Self>) -> bool {
            let before = self.answers.load(Ordering::SeqCst);
            let deadline = monotonic_now() + Duration::from_secs(5);
            let answer = self
                .waiters
                .wait_until(deadline, || {
                    if !ensure_running(self) {
                        return Some(false);
                    }
                    self.wake.notify_one();
                    (self.answers.load(Ordering::SeqCst) > before).then_some(true)
                })
                .await;
            answer.unwrap_or(false)
        }
    }

    impl Background for Counter {
        fn slot(&self) -> &TaskSlot {
            &self.slot
        }

        fn waiters(&self) -> &Waiters {
            &self.waiters
        }

        async fn run(&self) {
            self.starts.fetch_add(1, Ordering::SeqCst);
            loop {
                self.wake.notified().await;
                let left = self.panics.load(Ordering::SeqCst);
                if left > 0 {
                    self.panics.store(left - 1, Ordering::SeqCst);
                    panic!("as the test wants it");
                }
                self.answers.fetch_add(1, Ordering::SeqCst);
                self.waiters.notify();
            }
        }

        fn ended(&self, has_panicked: bool) {
            self.panicked.fetch_add(usize::from(has_panicked), Ordering::SeqCst);
            self.ends.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    #[test]
    fn starts_one_task_on_first_use() {
        let counter = Counter::new(0);
        assert!(!counter.slot.is_running());
        runtime().block_on(async {
            assert!(counter.ask().await);
            assert!(counter.ask().await);
        });
        assert_eq!(counter.counts(), (1, 1));
    }

    #[test]
    fn starts_again_on_another_runtime() {
        let counter = Counter::new(0);
        runtime().block_on(async { assert!(counter.ask().await) });
        assert!(!counter.slot.is_running());
        runtime().block_on(async { assert!(counter.ask().await) });
        assert_eq!(counter.counts(), (2, 2));
    }

    #[test]
    fn starts_again_after_a_panic_and_the_waiter_gets_its_answer() {
        let counter = Counter::new(1);
        runtime().block_on(async { assert!(counter.ask().await) });
        assert_eq!((counter.counts(), counter.panicked.load(Ordering::SeqCst)), ((2, 2), 1));
    }

    #[test]
    fn starts_nothing_without_a_runtime() {
        let counter = Counter::new(0);
        assert!(!ensure_running(&counter));
        assert_eq!(counter.counts(), (0, 0));
    }

    #[test]
    fn starts_nothing_after_close_and_close_ends_the_task() {
        let counter = Counter::new(0);
        runtime().block_on(async {
            assert!(counter.ask().await);
            counter.slot.close();
            tokio::task::yield_now().await;
            assert!(!counter.slot.is_running());
            assert!(!counter.ask().await);
        });
        assert_eq!(counter.counts(), (1, 1));
    }

    #[test]
    fn survives_a_runtime_that_shuts_down_while_it_starts() {
        let counter = Counter::new(0);
        let closing = runtime();
        let handle = closing.handle().clone();
        drop(closing);
        let _guard = handle.enter();
        // The runtime drops the future at once.
        assert!(ensure_running(&counter));
        assert!(!counter.slot.is_running());
        assert_eq!(counter.counts(), (0, 1));
    }

    /// Starts again on another runtime as soon as its task has ended.
    #[derive(Debug)]
    struct Mover {
        slot: TaskSlot,
        waiters: Waiters,
        this: Weak<Self>,
        next: Handle,
        has_moved: AtomicBool,
    }

    impl Background for Mover {
        fn slot(&self) -> &TaskSlot {
            &self.slot
        }

        /// The only time that this is asked for is after the end of a task.
        fn waiters(&self) -> &Waiters {
            if !self.has_moved.swap(true, Ordering::SeqCst) {
                let _guard = self.next.enter();
                assert!(ensure_running(&self.this.upgrade().unwrap()));
            }
            &self.waiters
        }

        async fn run(&self) {
            std::future::pending().await
        }

        fn ended(&self, _: bool) {}
    }

    #[test]
    fn close_ends_the_later_of_two_tasks_whose_starts_overlap() {
        let (closing, other) = (runtime(), runtime());
        let mover = Arc::new_cyclic(|this| Mover {
            slot: TaskSlot::default(),
            waiters: Waiters::new(0),
            this: this.clone(),
            next: other.handle().clone(),
            has_moved: AtomicBool::new(false),
        });
        let handle = closing.handle().clone();
        drop(closing);
        {
            let _guard = handle.enter();
            // Ends at once, and the other task starts before this returns.
            ensure_running(&mover);
        }
        assert!(mover.slot.is_running());
        mover.slot.close();
        other.block_on(tokio::task::yield_now());
        assert!(!mover.slot.is_running());
    }
}
