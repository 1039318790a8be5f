//! The screen of `stampede run` on a terminal: who draws it, when, and how it goes away.
//!
//! What happens in a run is told from its threads and kept in one place, under a lock that is held
//! for as long as it takes to copy some hundred numbers; another thread draws from there, four times
//! a second, and reads keys. Whatever ends the program gives the terminal back. Deliberately
//! absent: how the screen looks (`reports::live`).

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use loadgen::{
    clock::Clock,
    driver::{OnProgress, Progress},
    intervals::{OnInterval, OperationInterval},
    run::{OnStage, Stage},
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use reports::live::{Law, Live, Mark, Operation, Palette, Second, draw};

use crate::{cmd::run::stage_words, printing};

/// Between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// Whether the terminal is ours now.
static HAS_TERMINAL: AtomicBool = AtomicBool::new(false);

/// Whether a screen has the terminal.
pub(crate) fn has_terminal() -> bool {
    HAS_TERMINAL.load(Ordering::Relaxed)
}

/// Leaves the screen, if there is one, and shows what was there before.
pub(crate) fn give_back_terminal() {
    if HAS_TERMINAL.swap(false, Ordering::Relaxed) {
        ratatui::restore();
    }
}

/// A screen that is being drawn. Gone when dropped.
pub(crate) struct Screen {
    known: Arc<Mutex<Known>>,
    is_over: Arc<AtomicBool>,
    drawing: Option<JoinHandle<()>>,
}

/// What is known of the run.
struct Known {
    live: Live,
    clock: Clock,
}

impl Screen {
    /// Whether there is a terminal to draw on, and somebody who wants to see it.
    pub(crate) fn has_room(is_talkative: bool) -> bool {
        let is_capable = printing::has_capable_terminal();
        is_talkative && is_capable && io::stdout().is_terminal() && io::stderr().is_terminal()
    }

    /// Takes the terminal and begins to draw. `stop` is set when the user asks for an end.
    pub(crate) fn start(live: Live, stop: Arc<AtomicBool>) -> Result<Self> {
        // With a hook that gives the terminal back before a panic is told.
        let terminal = ratatui::try_init()
            .context("the terminal cannot be drawn on; --quiet draws nothing")?;
        HAS_TERMINAL.store(true, Ordering::Relaxed);
        let clock = Clock::start();
        let known = Arc::new(Mutex::new(Known { live, clock }));
        let is_over = Arc::new(AtomicBool::new(false));
        let shown = Arc::clone(&known);
        let over = Arc::clone(&is_over);
        let drawing = thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || {
                // A terminal that is gone shows nothing; the run goes on.
                let _gone = draw_until(&over, terminal, &shown, &stop);
            });
        // Whose end gives the terminal back, also if there is no thread.
        let mut screen = Self {
            known,
            is_over,
            drawing: None,
        };
        screen.drawing = Some(drawing.context("the system gives no thread to draw from")?);
        Ok(screen)
    }

    /// What the driver calls each second.
    pub(crate) fn on_progress(&self) -> OnProgress {
        let known = Arc::clone(&self.known);
        Box::new(move |progress| locked(&known).note(progress))
    }

    /// What is called with every second's operations, by the thread that writes them.
    pub(crate) fn on_interval(&self) -> OnInterval {
        let known = Arc::clone(&self.known);
        Box::new(move |operations| {
            let live = &mut locked(&known).live;
            for operation in operations {
                live.handle_operation(operation.name, &figures(operation));
            }
        })
    }

    /// What is called when something new begins.
    pub(crate) fn on_stage(&self) -> OnStage {
        let known = Arc::clone(&self.known);
        Box::new(move |stage| {
            let mut known = locked(&known);
            known.live.stage = stage_words(stage);
            if *stage == Stage::Driving {
                // Phases count from here.
                known.clock = Clock::start();
            }
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(drawing) = self.drawing.take() {
            let _panicked = drawing.join();
        }
        give_back_terminal();
    }
}

impl Known {
    fn note(&mut self, progress: &Progress<'_>) {
        let second = Second {
            intended: progress.second.intended,
            answered: progress.second.answered,
            failed: progress.second.failed,
        };
        self.live
            .handle_second(progress.phase, progress.second.at_s, second);
        self.live.in_flight = progress.in_flight;
        [self.live.lateness_p99, self.live.lateness_max] = progress.lateness;
        let marks = progress.faults.iter().map(|(at, what)| Mark {
            at_s: Duration::from_nanos(*at).as_secs_f64(),
            what: (*what).to_owned(),
        });
        self.live.marks = marks.collect();
        let laws = progress.laws.iter().map(|law| Law {
            name: law.name.to_owned(),
            what: law.what,
            count: law.count,
            violations: law.violations,
        });
        self.live.laws = laws.collect();
    }

    /// The state as of now.
    fn now(&mut self) -> Live {
        self.live.elapsed_s = Duration::from_nanos(self.clock.now()).as_secs_f64();
        self.live.clone()
    }
}

fn figures(interval: &OperationInterval) -> Operation {
    Operation {
        answered: interval.answered,
        p50: interval.p50,
        p90: interval.p90,
        p99: interval.p99,
        max: interval.max,
        ..Operation::default()
    }
}

/// Nothing is left half done under this lock: a thread that panicked with it spoilt nothing.
fn locked(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn draw_until(
    is_over: &AtomicBool,
    mut terminal: DefaultTerminal,
    known: &Mutex<Known>,
    stop: &AtomicBool,
) -> io::Result<()> {
    let palette = if printing::allows_color() {
        Palette::Colored
    } else {
        Palette::Plain
    };
    while !is_over.load(Ordering::Relaxed) {
        let mut live = locked(known).now();
        live.is_stopping = stop.load(Ordering::Relaxed);
        terminal.draw(|frame| draw(frame, &live, palette))?;
        // Returns at once when a key was pressed or the window has another size.
        if event::poll(DRAW_EVERY)? {
            handle(&event::read()?, stop);
        }
    }
    Ok(())
}

fn handle(event: &Event, stop: &AtomicBool) {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press,
        ..
    }) = event
    else {
        return;
    };
    let is_interrupt = *code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
    if (*code == KeyCode::Char('q') || is_interrupt) && stop.swap(true, Ordering::Relaxed) {
        // The second time: at once.
        give_back_terminal();
        std::process::abort();
    }
}
