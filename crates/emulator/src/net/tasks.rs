//! Tasks that end with what they belong to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

/// Tasks that run until they end, until [`abort`](Self::abort), or until the last clone of this is dropped. A task must
/// not hold a clone itself.
#[derive(Clone, Debug)]
pub(crate) struct Tasks(Arc<Mutex<Option<JoinSet<()>>>>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(JoinSet::new()))))
    }

    /// Runs a task. It is dropped if all tasks were ended already.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.lock() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Ends all tasks, each where it waits next. None can follow.
    pub(crate) fn abort(&self) {
        drop(self.lock().take());
    }

    /// Ends all tasks, and waits for it. None can follow.
    pub(crate) async fn end(&self) {
        let tasks = self.lock().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task that never ends by itself, and what is dropped with it.
    fn endless(tasks: &Tasks) -> Arc<()> {
        let token = Arc::new(());
        let held = Arc::clone(&token);
        tasks.spawn(async move {
            let _held = held;
            std::future::pending().await
        });
        token
    }

    #[tokio::test]
    async fn tasks_end_with_their_owner() {
        let tasks = Tasks::new();
        let (token, other) = (endless(&tasks), tasks.clone());
        drop(tasks);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&token), 2);
        drop(other);
        while Arc::strong_count(&token) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn no_task_follows_the_end() {
        let tasks = Tasks::new();
        let token = endless(&tasks);
        tasks.end().await;
        assert_eq!(Arc::strong_count(&token), 1);
        assert_eq!(Arc::strong_count(&endless(&tasks)), 1);
        tasks.abort();
    }
}
