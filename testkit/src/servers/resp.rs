//! What clients of Redis send: arrays of strings.

/// One command: its name and its arguments.
pub(super) type Command = Vec<Vec<u8>>;

/// Reads the commands out of a stream that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Commands {
    unread: Vec<u8>,
    is_foreign: bool,
}

/// The stream is of another protocol.
#[derive(Debug, PartialEq)]
struct Foreign;

impl Commands {
    /// The commands that this piece completes. In a stream of another protocol there are none.
    pub(super) fn read(&mut self, piece: &[u8]) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.is_foreign {
            return commands;
        }
        self.unread.extend_from_slice(piece);
        let mut rest = self.unread.as_slice();
        while !self.is_foreign {
            match command(&mut rest) {
                Ok(Some(command)) => commands.push(command),
                Ok(None) => break,
                Err(Foreign) => self.is_foreign = true,
            }
        }
        self.unread = if self.is_foreign { Vec::new() } else { rest.to_vec() };
        commands
    }
}

/// The name in upper case.
pub(super) fn name_of(command: &Command) -> String {
    command.first().map(|name| String::from_utf8_lossy(name).to_uppercase()).unwrap_or_default()
}

/// Takes one command off the front, if it is complete.
fn command(bytes: &mut &[u8]) -> Result<Option<Command>, Foreign> {
    let mut rest = *bytes;
    let Some(count) = length(b'*', &mut rest)? else { return Ok(None) };
    let mut command = Vec::new();
    for _ in 0..count {
        let Some(length) = length(b'$', &mut rest)? else { return Ok(None) };
        let Some((argument, after)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some((end, after)) = after.split_at_checked(2) else { return Ok(None) };
        if end != b"\r\n" {
            return Err(Foreign);
        }
        command.push(argument.to_vec());
        rest = after;
    }
    *bytes = rest;
    Ok(Some(command))
}

/// Takes a line like `*3` off the front, if it is complete.
fn length(kind: u8, bytes: &mut &[u8]) -> Result<Option<usize>, Foreign> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    if *first != kind {
        return Err(Foreign);
    }
    let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let (digits, rest) = rest.split_at(end);
    *bytes = rest.get(2..).unwrap_or_default();
    let digits = str::from_utf8(digits).map_err(|_| Foreign)?;
    digits.parse().map(Some).map_err(|_| Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"*2\r\n$3\r\nget\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n";

    #[test]
    fn commands_are_read_however_they_are_cut() {
        for size in 1..=TWO.len() {
            let mut commands = Commands::default();
            let read: Vec<_> = TWO.chunks(size).flat_map(|piece| commands.read(piece)).collect();
            assert_eq!(read, [vec![b"get".to_vec(), b"a\r\nb".to_vec()], vec![b"PING".to_vec()]], "{size}");
            assert_eq!(name_of(&read[0]), "GET");
            assert!(commands.unread.is_empty());
        }
    }

    #[test]
    fn another_protocol_has_no_commands() {
        for stream in [&b"\x16\x03\x01"[..], b"PING\r\n", b"*x\r\n", b"*1\r\n+OK\r\n", b"*1\r\n$1\r\nabc"] {
            let mut commands = Commands::default();
            assert!(commands.read(stream).is_empty());
            assert!(commands.is_foreign && commands.read(TWO).is_empty());
        }
    }
}
