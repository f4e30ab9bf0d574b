//! A backend whose answers, errors, delays and gates a test decides, and that records each statement.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_store_core::backend::{
    Backend, BulkPage, Call, Change, CountPage, Counted, Deadline, Failure, Group, ListPage, Lookup, Next, Retry,
    Rotate, ScannedPage, Store, StoreOptions, Verdict,
};
use session_store_core::{ErrorKind, IfChanged, SessionKey, UserId, async_trait};
use tokio::sync::Semaphore;
use tokio::task::Id;
use tokio::time::{Instant, sleep};

/// The methods of a backend that run a statement.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Operation {
    Read,
    Apply,
    Rotate,
    FindCause,
    List,
    Destroy,
    Prune,
    Count,
    Clear,
    Scan,
    Ping,
    Close,
}

/// One statement that the store has run.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) operation: Operation,
    pub(crate) changes: Vec<Change>,
    pub(crate) lookups: Vec<Lookup>,
    /// What a bulk operation was called with: its cursor and its limit.
    pub(crate) cursor: Option<u32>,
    pub(crate) limit: u32,
    pub(crate) task: Option<Id>,
    pub(crate) begun: Instant,
    pub(crate) deadline: Deadline,
    pub(crate) may_wait: bool,
    pub(crate) end: End,
}

/// How far a statement has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// It is in flight, or the backend panicked.
    None,
    Answered(Instant),
    /// The store has dropped its future.
    Dropped(Instant),
}

impl Statement {
    /// The first byte of each key, in order.
    pub(crate) fn keys(&self) -> Vec<u8> {
        let keys = self.changes.iter().map(Change::key).chain(self.lookups.iter().map(|lookup| &lookup.key));
        keys.map(|key| key.as_bytes()[0]).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.changes.len() + self.lookups.len()
    }
}

/// What a statement does.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// How long it takes before it is sent.
    connects_in: Duration,
    is_sent: bool,
    /// It waits for a permit of it.
    gate: Option<Gate>,
    /// How long it takes after it was sent.
    takes: Duration,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    /// Each request succeeds; pages are empty and the last ones.
    Usual,
    Items(Vec<Item>),
    Fails(Trouble),
    Panics,
    Bulk(BulkPage<u32>),
    List(ListPage<u32>),
    Count(CountPage<u32>),
    Scan(ScannedPage),
}

/// The answer to one request of a batch.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Verdict(Verdict),
    Read(IfChanged),
    Fails(Trouble),
}

/// The error of the backend: what it means.
#[derive(Clone, Debug)]
pub(crate) struct Trouble(pub(crate) Failure);

pub(crate) type Gate = Arc<Semaphore>;

pub(crate) fn gate() -> Gate {
    Arc::new(Semaphore::new(0))
}

/// Lets all pass, now and later.
pub(crate) fn open(gate: &Gate) {
    gate.add_permits(100_000);
}

impl Reply {
    /// Sends the statement and succeeds.
    pub(crate) fn usual() -> Self {
        Self { connects_in: Duration::ZERO, is_sent: true, gate: None, takes: Duration::ZERO, outcome: Outcome::Usual }
    }

    fn with(outcome: Outcome) -> Self {
        Self { outcome, ..Self::usual() }
    }

    pub(crate) fn fails(failure: Failure) -> Self {
        Self::with(Outcome::Fails(Trouble(failure)))
    }

    pub(crate) fn panics() -> Self {
        Self::with(Outcome::Panics)
    }

    /// Ends only if its future is dropped.
    pub(crate) fn never() -> Self {
        Self::usual().behind(&gate())
    }

    pub(crate) fn items(items: impl IntoIterator<Item = Item>) -> Self {
        Self::with(Outcome::Items(items.into_iter().collect()))
    }

    pub(crate) fn verdicts(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        Self::items(verdicts.into_iter().map(Item::Verdict))
    }

    pub(crate) fn verdict(verdict: Verdict) -> Self {
        Self::verdicts([verdict])
    }

    pub(crate) fn reads(answers: impl IntoIterator<Item = IfChanged>) -> Self {
        Self::items(answers.into_iter().map(Item::Read))
    }

    pub(crate) fn bulk(live: u64, removed: u64, next: Next<u32>) -> Self {
        Self::with(Outcome::Bulk(BulkPage { live, removed, held: false, next }))
    }

    /// A page that leaves records which somebody else holds.
    pub(crate) fn bulk_held(live: u64, removed: u64, next: Next<u32>) -> Self {
        Self::with(Outcome::Bulk(BulkPage { live, removed, held: true, next }))
    }

    pub(crate) fn list(page: ListPage<u32>) -> Self {
        Self::with(Outcome::List(page))
    }

    pub(crate) fn count(counted: Counted, next: Option<u32>) -> Self {
        Self::with(Outcome::Count(CountPage { counted, next }))
    }

    pub(crate) fn scan(page: ScannedPage) -> Self {
        Self::with(Outcome::Scan(page))
    }

    /// Waits for a permit of this gate.
    pub(crate) fn behind(self, gate: &Gate) -> Self {
        Self { gate: Some(Arc::clone(gate)), ..self }
    }

    /// Does not mark the statement as sent.
    pub(crate) fn unsent(self) -> Self {
        Self { is_sent: false, ..self }
    }

    pub(crate) fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    /// Waits this long before it sends the statement.
    pub(crate) fn connecting(self, connects_in: Duration) -> Self {
        Self { connects_in, ..self }
    }
}

type Rule = Box<dyn Fn(&Statement) -> Option<Reply> + Send + Sync>;

/// The backend. The constant is its [`Backend::ONE_CHANGE_PER_KEY`].
pub(crate) struct Scripted<const ONE_CHANGE_PER_KEY: bool>(Arc<Script>);

/// What a test decides, and what it looks at.
pub(crate) struct Script {
    statements: Mutex<Vec<Statement>>,
    replies: Mutex<BTreeMap<Operation, VecDeque<Reply>>>,
    rule: Mutex<Option<Rule>>,
    /// Changes that were executed, in order.
    executed: Mutex<Vec<Change>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    timeouts: AtomicUsize,
    lone_statements: usize,
    changes_per_turn: usize,
    groups: Option<Vec<Group>>,
    group: fn(&Change) -> usize,
    placement: fn(&SessionKey) -> u16,
}

/// A store in front of a [`Scripted`] backend.
pub(crate) type TestStore<const ONE_CHANGE_PER_KEY: bool> = Store<Scripted<ONE_CHANGE_PER_KEY>>;

impl<const ONE: bool> fmt::Debug for Scripted<ONE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            statements: Mutex::default(),
            replies: Mutex::default(),
            rule: Mutex::default(),
            executed: Mutex::default(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            timeouts: AtomicUsize::new(0),
            lone_statements: 0,
            changes_per_turn: 1,
            groups: None,
            group: |_| 0,
            placement: |_| 0,
        }
    }
}

impl Script {
    /// Several statements may wait for records that others hold.
    pub(crate) fn with_lone_statements(self, lone_statements: usize) -> Self {
        Self { lone_statements, ..self }
    }

    /// So many changes of a session begin together after they have waited.
    pub(crate) fn with_changes_per_turn(self, changes_per_turn: usize) -> Self {
        Self { changes_per_turn, ..self }
    }

    pub(crate) fn with_groups(self, groups: Vec<Group>, group: fn(&Change) -> usize) -> Self {
        Self { groups: Some(groups), group, ..self }
    }

    pub(crate) fn with_placement(self, placement: fn(&SessionKey) -> u16) -> Self {
        Self { placement, ..self }
    }

    /// Builds the store of this script.
    pub(crate) fn store<const ONE: bool>(self, options: StoreOptions) -> (TestStore<ONE>, Arc<Self>) {
        let script = Arc::new(self);
        (Store::new(Scripted(Arc::clone(&script)), options), script)
    }

    /// The next statement of this operation does this.
    pub(crate) fn next(&self, operation: Operation, reply: Reply) {
        self.replies.lock().unwrap().entry(operation).or_default().push_back(reply);
    }

    /// Each statement does this, unless `next` has said something else, or the rule returns `None`.
    pub(crate) fn always(&self, rule: impl Fn(&Statement) -> Option<Reply> + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Some(Box::new(rule));
    }

    /// Each statement of a session waits for a permit of this gate.
    pub(crate) fn hold(&self, gate: &Gate) {
        let gate = Arc::clone(gate);
        self.always(move |_| Some(Reply::usual().behind(&gate)));
    }

    pub(crate) fn statements(&self) -> Vec<Statement> {
        self.statements.lock().unwrap().clone()
    }

    /// The statements of one operation.
    pub(crate) fn all(&self, operation: Operation) -> Vec<Statement> {
        self.statements().into_iter().filter(|statement| statement.operation == operation).collect()
    }

    /// The first bytes of the keys of each statement of sessions.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.statements().iter().map(Statement::keys).collect()
    }

    /// How many requests each statement had.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.statements().iter().map(Statement::len).collect()
    }

    pub(crate) fn executed(&self) -> Vec<Change> {
        self.executed.lock().unwrap().clone()
    }

    /// The first byte of each key that was changed, in order.
    pub(crate) fn executed_keys(&self) -> Vec<u8> {
        self.executed().iter().map(|change| change.key().as_bytes()[0]).collect()
    }

    /// The same, sorted: statements that are in flight at once end in any order.
    pub(crate) fn sorted_executed_keys(&self) -> Vec<u8> {
        let mut keys = self.executed_keys();
        keys.sort_unstable();
        keys
    }

    /// How many statements of sessions were in flight at once.
    pub(crate) fn most_running(&self) -> usize {
        self.most_running.load(Ordering::SeqCst)
    }

    pub(crate) fn forget_most_running(&self) {
        self.most_running.store(0, Ordering::SeqCst);
    }

    /// How many statements were reported to `on_timeout`.
    pub(crate) fn timeouts(&self) -> usize {
        self.timeouts.load(Ordering::SeqCst)
    }

    fn reply(&self, statement: &Statement) -> Reply {
        if let Some(reply) = self.replies.lock().unwrap().get_mut(&statement.operation).and_then(VecDeque::pop_front) {
            return reply;
        }
        let rule = self.rule.lock().unwrap();
        rule.as_ref().and_then(|rule| rule(statement)).unwrap_or_else(Reply::usual)
    }

    async fn run(&self, call: &Call, request: Request<'_>) -> Result<Outcome, Trouble> {
        let statement = Statement {
            operation: request.operation,
            changes: request.changes.to_vec(),
            lookups: request.lookups.to_vec(),
            cursor: request.cursor,
            limit: request.limit,
            task: tokio::task::try_id(),
            begun: Instant::now(),
            deadline: call.deadline(),
            may_wait: call.may_wait(),
            end: End::None,
        };
        let reply = self.reply(&statement);
        let number = {
            let mut statements = self.statements.lock().unwrap();
            statements.push(statement);
            statements.len() - 1
        };
        let mut in_flight = InFlight { script: self, number, end: None };
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        if !reply.connects_in.is_zero() {
            sleep(reply.connects_in).await;
        }
        if reply.is_sent {
            call.mark_sent();
        }
        if let Some(gate) = &reply.gate {
            gate.acquire().await.unwrap().forget();
        }
        if reply.takes.is_zero() {
            tokio::task::yield_now().await;
        } else {
            sleep(reply.takes).await;
        }
        in_flight.end = Some(End::Answered(Instant::now()));
        match reply.outcome {
            Outcome::Fails(trouble) => Err(trouble),
            Outcome::Panics => panic!("on purpose"),
            outcome => Ok(outcome),
        }
    }

    /// Runs a statement that changes sessions.
    async fn change(&self, call: &Call, request: Request<'_>) -> Result<Vec<Result<Verdict, Trouble>>, Trouble> {
        let changes = request.changes;
        let items = match self.run(call, request).await? {
            Outcome::Items(items) => items,
            _ => changes.iter().map(|_| Item::Verdict(Verdict::Done)).collect(),
        };
        let mut executed = self.executed.lock().unwrap();
        for (item, change) in items.iter().zip(changes) {
            if matches!(item, Item::Verdict(Verdict::Done)) {
                executed.push(change.clone());
            }
        }
        let answer = |item| match item {
            Item::Verdict(verdict) => Ok(verdict),
            Item::Fails(trouble) => Err(trouble),
            Item::Read(_) => unreachable!("a change has a verdict"),
        };
        Ok(items.into_iter().map(answer).collect())
    }

    async fn bulk(&self, call: &Call, request: Request<'_>) -> Result<BulkPage<u32>, Trouble> {
        Ok(match self.run(call, request).await? {
            Outcome::Bulk(page) => page,
            _ => BulkPage { live: 0, removed: 0, held: false, next: Next::End },
        })
    }
}

/// Records how a statement ends.
struct InFlight<'a> {
    script: &'a Script,
    number: usize,
    end: Option<End>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.script.running.fetch_sub(1, Ordering::SeqCst);
        let end = self.end.unwrap_or_else(|| End::Dropped(Instant::now()));
        self.script.statements.lock().unwrap()[self.number].end = end;
    }
}

/// The arguments of a statement.
#[derive(Clone, Copy)]
struct Request<'a> {
    operation: Operation,
    changes: &'a [Change],
    lookups: &'a [Lookup],
    cursor: Option<u32>,
    limit: u32,
}

impl<'a> Request<'a> {
    fn changing(operation: Operation, changes: &'a [Change]) -> Self {
        Self { operation, changes, lookups: &[], cursor: None, limit: 0 }
    }

    fn page(operation: Operation, cursor: Option<&u32>, limit: u32) -> Self {
        Self { operation, changes: &[], lookups: &[], cursor: cursor.copied(), limit }
    }
}

#[async_trait]
impl<const ONE: bool> Backend for Scripted<ONE> {
    const NAME: &'static str = "scripted";
    const ONE_CHANGE_PER_KEY: bool = ONE;
    type Error = Trouble;
    type Cursor = u32;

    fn classify(&self, error: &Trouble) -> Failure {
        error.0.clone()
    }

    fn change_groups(&self, options: &StoreOptions) -> Vec<Group> {
        self.0.groups.clone().unwrap_or_else(|| vec![Group::batched(options)])
    }

    fn group(&self, change: &Change) -> usize {
        (self.0.group)(change)
    }

    fn lone_statements(&self) -> usize {
        self.0.lone_statements
    }

    fn changes_per_turn(&self, _options: &StoreOptions) -> usize {
        self.0.changes_per_turn
    }

    fn placement(&self, key: &SessionKey) -> u16 {
        (self.0.placement)(key)
    }

    async fn read(&self, call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged, Trouble>>, Trouble> {
        let request = Request { lookups, ..Request::page(Operation::Read, None, 0) };
        let items = match self.0.run(call, request).await? {
            Outcome::Items(items) => items,
            _ => lookups.iter().map(|_| Item::Read(IfChanged::Gone)).collect(),
        };
        let answer = |item| match item {
            Item::Read(answer) => Ok(answer),
            Item::Fails(trouble) => Err(trouble),
            Item::Verdict(_) => unreachable!("a read has no verdict"),
        };
        Ok(items.into_iter().map(answer).collect())
    }

    async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict, Trouble>>, Trouble> {
        self.0.change(call, Request::changing(Operation::Apply, changes)).await
    }

    async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict, Trouble> {
        let changes = [Change::Rotate(rotate.clone())];
        self.0.change(call, Request::changing(Operation::Rotate, &changes)).await?.pop().unwrap()
    }

    async fn find_cause(&self, call: &Call, change: &Change) -> Result<Verdict, Trouble> {
        let request = Request::changing(Operation::FindCause, std::slice::from_ref(change));
        match self.0.run(call, request).await? {
            Outcome::Items(items) => match items.into_iter().next() {
                Some(Item::Verdict(verdict)) => Ok(verdict),
                Some(Item::Fails(trouble)) => Err(trouble),
                _ => unreachable!("a cause is a verdict"),
            },
            _ => Ok(Verdict::Conflict),
        }
    }

    async fn list_page(
        &self,
        call: &Call,
        _user: &UserId,
        _after: Option<&SessionKey>,
        cursor: Option<&u32>,
        limit: u32,
    ) -> Result<ListPage<u32>, Trouble> {
        Ok(match self.0.run(call, Request::page(Operation::List, cursor, limit)).await? {
            Outcome::List(page) => page,
            _ => ListPage { entries: Vec::new(), corrupt: 0, next: None },
        })
    }

    async fn destroy_page(
        &self,
        call: &Call,
        _user: &UserId,
        _except: Option<&SessionKey>,
        cursor: Option<&u32>,
    ) -> Result<BulkPage<u32>, Trouble> {
        self.0.bulk(call, Request::page(Operation::Destroy, cursor, 0)).await
    }

    async fn prune_page(&self, call: &Call, cursor: Option<&u32>, limit: u32) -> Result<BulkPage<u32>, Trouble> {
        self.0.bulk(call, Request::page(Operation::Prune, cursor, limit)).await
    }

    async fn count_page(&self, call: &Call, cursor: Option<&u32>) -> Result<CountPage<u32>, Trouble> {
        Ok(match self.0.run(call, Request::page(Operation::Count, cursor, 0)).await? {
            Outcome::Count(page) => page,
            _ => CountPage { counted: Counted::Sessions(0), next: None },
        })
    }

    async fn clear_page(&self, call: &Call, cursor: Option<&u32>) -> Result<BulkPage<u32>, Trouble> {
        self.0.bulk(call, Request::page(Operation::Clear, cursor, 0)).await
    }

    /// A cursor is four bytes.
    fn is_scan_cursor(&self, bytes: &[u8]) -> bool {
        bytes.len() == 4
    }

    async fn scan_page(&self, call: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage, Trouble> {
        let cursor = from.map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
        Ok(match self.0.run(call, Request::page(Operation::Scan, cursor.as_ref(), limit)).await? {
            Outcome::Scan(page) => page,
            _ => ScannedPage { entries: Vec::new(), corrupt: 0, next: None },
        })
    }

    async fn ping(&self, call: &Call) -> Result<(), Trouble> {
        self.0.run(call, Request::page(Operation::Ping, None, 0)).await?;
        Ok(())
    }

    async fn close(&self, call: &Call) {
        let _ = self.0.run(call, Request::page(Operation::Close, None, 0)).await;
    }

    fn on_timeout(&self, _call: &Call) {
        self.0.timeouts.fetch_add(1, Ordering::SeqCst);
    }
}

/// A failure that is about one record, and is not retried.
pub(crate) fn refused() -> Failure {
    Failure::new(ErrorKind::Internal, "the database refused a value")
}

/// A failure of a statement that was not executed, and that is sent again until the deadline.
pub(crate) fn overloaded() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the database is overloaded").with_retry(Retry::UntilDeadline)
}

/// A failure after which nobody knows whether the statement was executed.
pub(crate) fn broken() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the connection broke").ambiguous()
}
