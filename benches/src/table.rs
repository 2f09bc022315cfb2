//! Columns for people: names to the left, figures to the right.

use std::fmt;

/// A table under construction; it prints when it is displayed.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<Head: Into<String>>(heads: impl IntoIterator<Item = Head>) -> Self {
        Self { rows: vec![heads.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, figures: impl IntoIterator<Item = String>) {
        let mut row = vec![name.into()];
        row.extend(figures);
        self.rows.push(row);
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                match column {
                    0 => write!(formatter, "  {cell:<width$}", width = self.width(column))?,
                    _ => write!(formatter, "  {cell:>width$}", width = self.width(column))?,
                }
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn names_stand_left_and_figures_right() {
        let mut table = Table::new(["", "bytes"]);
        table.row("epoll", ["43".to_owned()]);
        table.row("mio", ["100072".to_owned()]);
        assert_eq!(table.to_string(), "          bytes\n  epoll      43\n  mio    100072\n");
    }
}
