//! Events of back ends: which subscriber must have received which of them, in which order.
//!
//! A subscription is a span. An event belongs into it if its trigger was sent after the grant arrived, and if it was
//! answered: with the scope of the cluster into all spans, with the scope of a node into those of the same process. What
//! was not answered may arrive. A span that has ended is judged up to the last event that it received: what was under way
//! when the client left belongs to no one.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::fact::{Micros, Name, ProcessNumber, Scope, SocketNumber};
use super::finding::{Broken, Findings, Loss};

struct Event {
    sent: Micros,
    answered: Option<(Micros, Scope)>,
    except: Option<SocketNumber>,
    process: Option<ProcessNumber>,
}

/// The events of one channel, of this page and the one before.
#[derive(Default)]
struct Log {
    /// The number of the first one that is kept.
    first: u64,
    /// The number of the first one of this page.
    page: u64,
    events: VecDeque<Event>,
}

impl Log {
    fn get(&self, number: u64) -> Option<&Event> {
        self.events.get(number.checked_sub(self.first)? as usize)
    }

    fn is_confirmed(&self, number: u64) -> bool {
        self.get(number).is_some_and(|event| matches!(event.answered, Some((_, Scope::Cluster))))
    }

    /// Whether the event may have come into the order of the cluster behind later ones, and into its cache: Redis may get it
    /// after its answer, which says so, or it had none.
    fn comes_late(&self, number: u64) -> bool {
        self.get(number).is_some_and(|event| !matches!(event.answered, Some((_, Scope::Cluster))))
    }

    fn of_page(&self) -> impl Iterator<Item = (u64, &Event)> {
        (self.first..).zip(&self.events).filter(|(number, _)| *number >= self.page)
    }
}

struct Span {
    process: Option<ProcessNumber>,
    asked: Micros,
    since: Micros,
    is_open: bool,
    /// Of this page and the one before.
    received: HashSet<u64>,
    /// In the order of their arrival, of this page.
    arrivals: Vec<u64>,
    /// Announcements of this page.
    missed: Vec<(Micros, Option<u64>)>,
    has_first: bool,
    /// Of a cache channel, if it came with another event or none: the event that was the last one when the subscription was
    /// asked for.
    lacks_cached: Option<u64>,
}

impl Span {
    /// Whether the event must arrive here, sooner or later.
    fn is_due(&self, socket: SocketNumber, event: &Event) -> bool {
        let reaches = match event.answered {
            None => false,
            Some((_, Scope::Cluster)) => true,
            Some((_, Scope::Node)) => event.process.is_some() && event.process == self.process,
        };
        reaches && self.is_wanted(socket, event)
    }

    fn is_wanted(&self, socket: SocketNumber, event: &Event) -> bool {
        event.sent > self.since && event.except != Some(socket)
    }

    /// Whether the channel was announced to have lost events after this one was sent.
    fn is_announced(&self, event: &Event) -> bool {
        self.missed.iter().any(|(at, _)| *at >= event.sent)
    }
}

#[derive(Default)]
pub(crate) struct Deliveries {
    logs: HashMap<Name, Log>,
    spans: BTreeMap<(SocketNumber, Name), Vec<Span>>,
    /// Since when no node was without Redis; `None` while one is.
    whole_since: Option<Micros>,
    /// On this page, at a time that is not known: a node without Redis answers with what it has cached itself.
    has_lost_link: bool,
    pub(crate) expected: u64,
    pub(crate) received: u64,
}

impl Deliveries {
    pub(crate) fn triggered(
        &mut self,
        at: Micros,
        (channel, number): (&Name, u64),
        except: Option<SocketNumber>,
        process: Option<ProcessNumber>,
    ) {
        let log = self.logs.entry(channel.clone()).or_default();
        assert_eq!(number, log.first + log.events.len() as u64, "{channel} has one publisher");
        log.events.push_back(Event { sent: at, answered: None, except, process });
    }

    pub(crate) fn answered(&mut self, at: Micros, channel: &Name, number: u64, scope: Scope) {
        let log = self.logs.get_mut(channel).expect("a triggered event");
        let event = log.events.get_mut((number - log.first) as usize).expect("a kept event");
        event.answered = Some((at, scope));
    }

    pub(crate) fn begin(
        &mut self,
        at: Micros,
        (socket, channel): (SocketNumber, &Name),
        asked: Micros,
        process: Option<ProcessNumber>,
    ) {
        let span = Span {
            process,
            asked,
            since: at,
            is_open: true,
            received: HashSet::new(),
            arrivals: Vec::new(),
            missed: Vec::new(),
            has_first: false,
            lacks_cached: None,
        };
        self.spans.entry((socket, channel.clone())).or_default().push(span);
    }

    pub(crate) fn end(&mut self, socket: SocketNumber, channel: &Name) {
        if let Some(span) = self.open_span(socket, channel) {
            span.is_open = false;
        }
    }

    /// Ends all spans of a socket.
    pub(crate) fn end_all(&mut self, socket: SocketNumber) {
        let from = (socket, Name::from(""));
        for (_, spans) in self.spans.range_mut(from..).take_while(|((of, _), _)| *of == socket) {
            spans.iter_mut().for_each(|span| span.is_open = false);
        }
    }

    /// How long the event was under way, unless it is one of before the subscription.
    pub(crate) fn received(
        &mut self,
        at: Micros,
        (socket, channel): (SocketNumber, &Name),
        number: u64,
        findings: &mut Findings,
    ) -> Option<Micros> {
        let what = format!("event {number} of {channel} at socket {socket}");
        let log = self.logs.get(channel);
        let span = open_span(&mut self.spans, socket, channel)?;
        let is_first = !std::mem::replace(&mut span.has_first, true);
        if is_first
            && is_cache(channel)
            && let Some((since, log)) = self.whole_since.zip(log)
        {
            let last = last_cached(log, since, span.asked);
            span.lacks_cached = last.filter(|last| number < *last && !log.comes_late(number));
        }
        let Some(event) = log.and_then(|log| log.get(number)) else {
            // Only a cached event may be so old.
            if !is_first {
                findings.add(Broken::Doubled, format!("{what}, of an earlier page"));
            }
            return None;
        };
        if event.except == Some(socket) && event.sent > span.since {
            findings.add(Broken::Echoed, &what);
        }
        if !span.received.insert(number) {
            findings.add(Broken::Doubled, &what);
        }
        span.arrivals.push(number);
        (event.sent > span.since).then(|| at - event.sent)
    }

    pub(crate) fn missed(
        &mut self,
        at: Micros,
        socket: SocketNumber,
        channel: &Name,
        count: Option<u64>,
    ) {
        if let Some(span) = self.open_span(socket, channel) {
            span.missed.push((at, count));
        }
    }

    /// Nothing was cached: then nothing was triggered since all nodes were linked last.
    pub(crate) fn cache_missed(&mut self, socket: SocketNumber, channel: &Name) {
        let whole_since = self.whole_since;
        let Some(span) = open_span(&mut self.spans, socket, channel) else { return };
        span.has_first = true;
        if let Some((since, log)) = whole_since.zip(self.logs.get(channel)) {
            span.lacks_cached = last_cached(log, since, span.asked);
        }
    }

    pub(crate) fn fault_begins(&mut self) {
        self.whole_since = None;
    }

    pub(crate) fn fault_ends(&mut self, at: Micros) {
        self.whole_since = Some(at);
    }

    /// A link was lost without a fault.
    pub(crate) fn link_lost(&mut self, at: Micros) {
        self.whole_since = Some(at);
        self.has_lost_link = true;
    }

    /// How many events of this page open spans still have to receive, but for those that are announced as lost.
    pub(crate) fn outstanding(&self) -> usize {
        let of_span = |socket, channel: &Name, span: &Span| {
            let Some(log) = self.logs.get(channel) else { return 0 };
            let due = log.of_page().filter(|(number, event)| {
                span.is_due(socket, event)
                    && !span.received.contains(number)
                    && !span.is_announced(event)
            });
            due.count()
        };
        let spans = self.spans.iter();
        let spans = spans.flat_map(|((socket, channel), all)| {
            all.iter().map(move |one| (*socket, channel, one))
        });
        spans
            .filter(|(.., span)| span.is_open)
            .map(|(socket, channel, span)| of_span(socket, channel, span))
            .sum()
    }

    /// Judges all spans of the page, and begins the next one.
    pub(crate) fn turn_page(&mut self, findings: &mut Findings) {
        for ((socket, channel), spans) in &mut self.spans {
            let Some(log) = self.logs.get(channel) else { continue };
            for span in spans.iter_mut() {
                if let Some(last) = span.lacks_cached.filter(|_| !self.has_lost_link) {
                    let text = format!("event {last} of {channel} at socket {socket}");
                    findings.add(Broken::CachedEventMissing, text);
                }
                let (expected, received) = judge(*socket, channel, span, log, findings);
                self.expected += expected;
                self.received += received;
            }
            spans.retain(|span| span.is_open);
        }
        self.has_lost_link = false;
        self.spans.retain(|_, spans| !spans.is_empty());
        for log in self.logs.values_mut() {
            let kept = log.events.len() - (log.page - log.first) as usize;
            log.events.drain(..(log.page - log.first) as usize);
            log.first = log.page;
            log.page += kept as u64;
        }
        for ((_, channel), spans) in &mut self.spans {
            let first = self.logs.get(channel).map_or(0, |log| log.first);
            for span in spans {
                span.received.retain(|number| *number >= first);
                span.arrivals.clear();
                span.lacks_cached = None;
                span.missed.clear();
            }
        }
    }

    fn open_span(&mut self, socket: SocketNumber, channel: &Name) -> Option<&mut Span> {
        open_span(&mut self.spans, socket, channel)
    }
}

fn open_span<'a>(
    spans: &'a mut BTreeMap<(SocketNumber, Name), Vec<Span>>,
    socket: SocketNumber,
    channel: &Name,
) -> Option<&'a mut Span> {
    let of_both = spans.get_mut(&(socket, channel.clone()))?;
    of_both.last_mut().filter(|span| span.is_open)
}

fn is_cache(channel: &Name) -> bool {
    channel.contains("cache-")
}

/// The last event that every node must have cached when the subscription was asked for.
fn last_cached(log: &Log, since: Micros, asked: Micros) -> Option<u64> {
    let all = (log.first..).zip(&log.events);
    let before = all.filter(|(_, event)| {
        let confirmed = matches!(event.answered, Some((at, Scope::Cluster)) if at < asked);
        confirmed && event.sent > since
    });
    before.map(|(number, _)| number).last()
}

/// How many events of the page belong into the span, and how many it received.
fn judge(
    socket: SocketNumber,
    channel: &Name,
    span: &Span,
    log: &Log,
    findings: &mut Findings,
) -> (u64, u64) {
    let what = format!("of {channel} at socket {socket}");
    let mut highest = None;
    for &number in span.arrivals.iter().filter(|number| log.is_confirmed(**number)) {
        if highest.is_some_and(|highest| number < highest) {
            findings.add(Broken::Reordered, format!("event {number} {what} after {highest:?}"));
        }
        highest = highest.max(Some(number));
    }
    let (mut expected, mut lost, mut elsewhere, mut announced) = (0, Vec::new(), 0, 0);
    for (number, event) in log.of_page() {
        let is_received = span.received.contains(&number);
        // Of a span that has ended, only what a later event has overtaken.
        let is_judged = span.is_open || highest.is_some_and(|highest| number < highest);
        if span.is_due(socket, event) && is_judged {
            expected += 1;
            if !is_received {
                lost.push((number, event));
            }
        } else if !is_received && is_judged && span.is_wanted(socket, event) {
            let is_elsewhere = matches!(event.answered, Some((_, Scope::Node)));
            elsewhere += u64::from(is_elsewhere && !span.is_announced(event));
            announced += u64::from(is_elsewhere && span.is_announced(event));
        }
    }
    findings.count_loss(Loss::ScopeNode, elsewhere);
    findings.count_loss(Loss::ScopeNodeAnnounced, announced);
    let received = expected - lost.len() as u64;
    explain(&what, span, &lost, findings);
    (expected, received)
}

/// Lost events are announced: in number, or as unknown.
fn explain(what: &str, span: &Span, lost: &[(u64, &Event)], findings: &mut Findings) {
    let last =
        |known: bool| span.missed.iter().rfind(|one| one.1.is_some() == known).map(|one| one.0);
    let (unknown_at, known_at) = (last(false), last(true));
    let mut announced: u64 = span.missed.iter().filter_map(|one| one.1).sum();
    for (number, event) in lost {
        if unknown_at.is_some_and(|at| at >= event.sent) {
            findings.count_loss(Loss::AnnouncedWithoutNumber, 1);
        } else if announced > 0 && known_at.is_some_and(|at| at >= event.sent) {
            announced -= 1;
            findings.count_loss(Loss::AnnouncedWithNumber, 1);
        } else {
            let Event { sent, answered, process, .. } = event;
            let text = format!(
                "event {number} {what}, sent at {sent} µs to process {process:?}, answered {answered:?}; subscribed at \
                 process {:?}, {} µs; announced: {:?}",
                span.process, span.since, span.missed
            );
            findings.add(Broken::LostInSilence, text);
        }
    }
}
