//! The screen of a run: how far it is, what is asked and answered, how long it takes, what is judged.
//!
//! A state goes in and widgets are drawn into a frame of any size. From 80 by 24 on everything has
//! room; with less, what stands below is cut; with too little for that, a sentence says so.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table},
};

use super::{
    model::{Law, Live, Operation},
    plan::plan_lines,
};
use crate::render::number;

/// Below this nothing can be drawn that says anything.
const WIDTH_MIN: u16 = 60;
/// See [`WIDTH_MIN`].
const HEIGHT_MIN: u16 = 12;

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// The terminal's own eight.
    Colored,
    /// None: `NO_COLOR`.
    Plain,
}

impl Palette {
    fn tint(self, color: Color) -> Style {
        match self {
            Self::Colored => Style::new().fg(color),
            Self::Plain => Style::new(),
        }
    }
}

/// Draws the run into the whole of a frame.
pub fn draw(frame: &mut Frame<'_>, live: &Live, palette: Palette) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let text = format!(
            "{}x{} is too small to show a run; {WIDTH_MIN}x{HEIGHT_MIN} is the least. q ends it early.",
            area.width, area.height
        );
        return frame.render_widget(
            Paragraph::new(text).wrap(ratatui::widgets::Wrap::default()),
            area,
        );
    }
    let laws = law_rows(live);
    let [head, plan, rate, operations, laws_area, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(4),
        Constraint::Length(4),
        Constraint::Min(4),
        Constraint::Length(laws.saturating_add(1)),
        Constraint::Length(2),
    ])
    .areas(area);
    draw_head(frame, head, live);
    draw_plan(frame, plan, live, palette);
    draw_rate(frame, rate, live, palette);
    draw_operations(frame, operations, live, palette);
    draw_laws(frame, laws_area, live, palette);
    draw_foot(frame, foot, live, palette);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, live: &Live) {
    let stage = if live.is_stopping {
        "ending early"
    } else {
        &live.stage
    };
    let left = format!("{}, seed {}: {stage}", live.scenario, live.seed);
    let right = format!("{:.0} s", live.elapsed_s);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Paragraph::new(Line::styled(left, bold)), area);
    frame.render_widget(Paragraph::new(right).right_aligned(), area);
}

/// A title over a thin line, and the area below it.
fn section(frame: &mut Frame<'_>, area: Rect, title: impl Into<Line<'static>>) -> Rect {
    let block = Block::new().borders(Borders::TOP).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn draw_plan(frame: &mut Frame<'_>, area: Rect, live: &Live, palette: Palette) {
    let title = match live.running() {
        Some(phase) if phase.warmup => format!(" phase {} (warm-up, not judged) ", phase.name),
        Some(phase) => format!(" phase {} ", phase.name),
        None => " phases ".to_owned(),
    };
    let inner = section(frame, area, title);
    let lines = plan_lines(live, usize::from(inner.width));
    let marks = match live.marks.last() {
        Some(mark) => format!("{}  at {:.1} s", mark.what, mark.at_s),
        None => String::new(),
    };
    let text = vec![
        Line::styled(lines.marks, palette.tint(Color::Red)),
        Line::styled(lines.bars, palette.tint(Color::Cyan)),
        Line::raw(lines.names),
    ];
    frame.render_widget(Paragraph::new(text), inner);
    if !marks.is_empty() {
        let newest = Paragraph::new(format!(" last fault: {marks} ")).right_aligned();
        frame.render_widget(newest, Rect { height: 1, ..area });
    }
}

fn draw_rate(frame: &mut Frame<'_>, area: Rect, live: &Live, palette: Palette) {
    let inner = section(frame, area, " rate, each second ");
    let Some(newest) = live.seconds.back() else {
        return frame.render_widget(Paragraph::new("no second is over yet"), inner);
    };
    let [figures, picture] =
        Layout::horizontal([Constraint::Length(42), Constraint::Min(10)]).areas(inner);
    let failed = palette.tint(if newest.failed == 0 {
        Color::Reset
    } else {
        Color::Red
    });
    let text = vec![
        Line::raw(format!("offered  {:>10}/s", number::count(newest.intended))),
        Line::raw(format!("answered {:>10}/s", number::count(newest.answered))),
        Line::styled(
            format!(
                "failed   {:>10}/s  {} in flight",
                number::count(newest.failed),
                number::count(live.in_flight)
            ),
            failed,
        ),
    ];
    frame.render_widget(Paragraph::new(text), figures);
    let answered: Vec<u64> = live.seconds.iter().map(|second| second.answered).collect();
    let picture_style = palette.tint(Color::Green);
    frame.render_widget(
        Sparkline::default()
            .data(newest_of(&answered, picture.width))
            .style(picture_style),
        picture,
    );
}

/// As many of the newest as there are cells.
fn newest_of(values: &[u64], width: u16) -> &[u64] {
    &values[values.len().saturating_sub(usize::from(width))..]
}

/// Cells of a table's columns: name, answers, four times; the picture takes the rest.
const COLUMNS: [u16; 6] = [20, 9, 9, 9, 9, 9];

fn draw_operations(frame: &mut Frame<'_>, area: Rect, live: &Live, palette: Palette) {
    let inner = section(frame, area, " response, each second ");
    let room = usize::from(inner.height.saturating_sub(1));
    let hidden = live.operations.len().saturating_sub(room);
    let width = inner.width.saturating_sub(COLUMNS.iter().sum::<u16>() + 6);
    let rows = live.operations.iter().take(room);
    let rows = rows.map(|(name, operation)| operation_row(name, operation, width));
    let widths = COLUMNS
        .map(Constraint::Length)
        .into_iter()
        .chain([Constraint::Min(0)]);
    let names = [
        "operation",
        "answered",
        "p50",
        "p90",
        "p99",
        "max",
        "p50 over time",
    ];
    let head = names.iter().enumerate();
    let head = Row::new(head.map(|(at, name)| aligned((*name).to_owned(), at)));
    let head = head.style(palette.tint(Color::DarkGray));
    frame.render_widget(Table::new(rows, widths).header(head), inner);
    if 0 < hidden {
        let more = Line::raw(format!(" and {hidden} more in the report ")).right_aligned();
        frame.render_widget(more, Rect { height: 1, ..area });
    }
}

fn operation_row<'a>(name: &str, operation: &Operation, width: u16) -> Row<'a> {
    let times = [operation.p50, operation.p90, operation.p99, operation.max];
    let medians: Vec<u64> = operation.medians.iter().copied().collect();
    let cells = [name.to_owned(), number::count(operation.answered)]
        .into_iter()
        .chain(times.map(number::duration))
        .chain([steps(newest_of(&medians, width))]);
    Row::new(cells.enumerate().map(|(at, cell)| aligned(cell, at)))
}

/// Names and pictures to the left, figures to the right.
fn aligned<'a>(text: String, column: usize) -> Cell<'a> {
    let line = Line::raw(text);
    Cell::new(if (1..=5).contains(&column) {
        line.right_aligned()
    } else {
        line
    })
}

/// Values as steps of one line, the largest the full height.
fn steps(values: &[u64]) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let step = |value: &u64| {
        let height = u128::from(*value) * 8 / u128::from(most);
        STEPS[usize::try_from(height)
            .unwrap_or(0)
            .saturating_sub(1)
            .min(7)]
    };
    values.iter().map(step).collect()
}

/// Laws that are judged while the run goes on, two a line.
fn law_rows(live: &Live) -> u16 {
    let judged = live.laws.iter().filter(|law| !law.what.is_empty()).count();
    let waiting = usize::from(live.laws.iter().any(|law| law.what.is_empty()));
    u16::try_from(judged.div_ceil(2) + waiting)
        .unwrap_or(u16::MAX)
        .clamp(1, 8)
}

fn draw_laws(frame: &mut Frame<'_>, area: Rect, live: &Live, palette: Palette) {
    let inner = section(frame, area, " laws, judged so far ");
    let (mut judged, waiting): (Vec<_>, Vec<_>) =
        live.laws.iter().partition(|law| !law.what.is_empty());
    if live.laws.is_empty() {
        return frame.render_widget(Paragraph::new("nothing is judged yet"), inner);
    }
    // A broken one must not be what there is no room for.
    judged.sort_by_key(|law| law.violations == 0);
    let room = usize::from(inner.height).saturating_sub(usize::from(!waiting.is_empty()));
    let hidden = judged.len().saturating_sub(2 * room);
    let half = usize::from(inner.width) / 2;
    let pairs = judged.chunks(2).take(room).map(|pair| {
        let spans = pair.iter().map(|law| law_span(law, half, palette));
        Line::from(spans.collect::<Vec<Span<'_>>>())
    });
    let mut lines: Vec<Line<'_>> = pairs.collect();
    if !waiting.is_empty() {
        let later = format!("{} more judged after the run, from the log", waiting.len());
        lines.push(Line::styled(later, palette.tint(Color::DarkGray)));
    }
    frame.render_widget(Paragraph::new(lines), inner);
    if 0 < hidden {
        let more = Line::raw(format!(" and {hidden} more, none broken ")).right_aligned();
        frame.render_widget(more, Rect { height: 1, ..area });
    }
}

fn law_span(law: &Law, width: usize, palette: Palette) -> Span<'static> {
    let (mark, color) = match (law.violations, law.count) {
        (0, 0) => ("·", Color::DarkGray),
        (0, _) => ("✓", Color::Green),
        (_, _) => ("✗", Color::Red),
    };
    let broken = if law.violations == 0 {
        String::new()
    } else {
        format!("{} in ", number::counted(law.violations, "violation"))
    };
    let text = format!(
        "{mark} {}: {broken}{} {}",
        law.name,
        number::count(law.count),
        law.what
    );
    let cut: String = text.chars().take(width.saturating_sub(1)).collect();
    Span::styled(format!("{cut:<width$}"), palette.tint(color))
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, live: &Live, palette: Palette) {
    let inner = section(frame, area, "");
    let late = palette.tint(if live.lateness_p99 < crate::caution::LATENESS_P99_MAX_NS {
        Color::Reset
    } else {
        Color::Yellow
    });
    let generator = format!(
        "generator late {} at p99, {} at most",
        number::duration(live.lateness_p99),
        number::duration(live.lateness_max)
    );
    frame.render_widget(Paragraph::new(Line::styled(generator, late)), inner);
    let keys = if live.is_stopping {
        "q ends at once, without a report"
    } else {
        "q ends early, with a report"
    };
    frame.render_widget(Paragraph::new(keys).right_aligned(), inner);
}
