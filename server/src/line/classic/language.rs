//! What the classic dialect says to people, in the language of their client's window.
//!
//! Something to say goes in and a sentence comes out. A person of this dialect knows names and no
//! numbers, so refusals name the room or the person that was asked for. Codes, and why a line cannot
//! be read, are for programs and are not translated. Deliberately absent: when anything is said.

use protocol::{Code, Refusal};

/// The language of sentences to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Portuguese, which the windows of this dialect's clients are in.
    #[default]
    Portuguese,
    /// English.
    English,
}

impl Language {
    pub(super) const fn registered(self) -> &'static str {
        match self {
            Self::Portuguese => "cadastro feito; agora entre",
            Self::English => "registered; log in now",
        }
    }

    pub(super) fn welcome(self, name: &str) -> String {
        match self {
            Self::Portuguese => format!("boas-vindas, {name}"),
            Self::English => format!("welcome, {name}"),
        }
    }

    pub(super) fn in_room(self, room: &str) -> String {
        match self {
            Self::Portuguese => format!("você está na sala {room}"),
            Self::English => format!("you are in room {room}"),
        }
    }

    pub(super) fn left_room(self, room: &str) -> String {
        match self {
            Self::Portuguese => format!("você saiu da sala {room}"),
            Self::English => format!("you left room {room}"),
        }
    }

    pub(super) fn stays_in_room(self, room: &str) -> String {
        match self {
            Self::Portuguese => format!("todos estão na sala {room}, e ninguém sai dela"),
            Self::English => format!("everybody is in room {room}, and nobody leaves it"),
        }
    }

    pub(super) fn came(self, name: &str) -> String {
        match self {
            Self::Portuguese => format!("{name} entrou no chat."),
            Self::English => format!("{name} joined the chat."),
        }
    }

    pub(super) fn went(self, name: &str) -> String {
        match self {
            Self::Portuguese => format!("{name} saiu do chat."),
            Self::English => format!("{name} left the chat."),
        }
    }

    pub(super) const fn somebody(self) -> &'static str {
        match self {
            Self::Portuguese => "alguém",
            Self::English => "somebody",
        }
    }

    pub(super) const fn a_group(self) -> &'static str {
        match self {
            Self::Portuguese => "um grupo",
            Self::English => "a group",
        }
    }

    pub(super) fn group_made(self, author: &str, group: &str) -> String {
        match self {
            Self::Portuguese => format!("{author} criou o grupo {group}"),
            Self::English => format!("{author} made group {group}"),
        }
    }

    pub(super) fn group_added(self, author: &str, user: &str, group: &str) -> String {
        match self {
            Self::Portuguese => format!("{author} adicionou {user} a {group}"),
            Self::English => format!("{author} added {user} to {group}"),
        }
    }

    pub(super) fn group_removed(self, author: &str, user: &str, group: &str) -> String {
        match self {
            Self::Portuguese => format!("{author} tirou {user} de {group}"),
            Self::English => format!("{author} put {user} out of {group}"),
        }
    }

    pub(super) fn group_left(self, author: &str, group: &str) -> String {
        match self {
            Self::Portuguese => format!("{author} saiu de {group}"),
            Self::English => format!("{author} left {group}"),
        }
    }

    pub(super) fn group_renamed(self, author: &str, group: &str) -> String {
        match self {
            Self::Portuguese => format!("{author} renomeou um grupo para {group}"),
            Self::English => format!("{author} renamed a group to {group}"),
        }
    }

    /// What a refusal means; `about` is the room or the person that was asked for.
    pub(super) fn refusal(self, refusal: &Refusal, about: Option<&str>) -> String {
        let sentence = match self {
            Self::Portuguese => portuguese(refusal, about),
            Self::English => english(refusal.code, about),
        };
        // What clients of this dialect cannot meet is said as everywhere.
        sentence.unwrap_or_else(|| refusal.sentence())
    }
}

/// Where the sentence that everybody else gets speaks of a number.
fn english(code: Code, about: Option<&str>) -> Option<String> {
    let name = about?;
    Some(match code {
        Code::UNKNOWN_USER => format!("there is no user `{name}`; check the name"),
        Code::UNKNOWN_ROOM => format!("there is no room `{name}`; join it, which makes it"),
        Code::NOT_MEMBER => format!("you are not in room `{name}`; join it first"),
        _said_as_everywhere => return None,
    })
}

fn portuguese(refusal: &Refusal, about: Option<&str>) -> Option<String> {
    let Refusal { code, value, limit } = refusal;
    let name = about.unwrap_or("?");
    Some(match *code {
        Code::LOG_IN_FIRST => "entre com nome e senha antes disto".to_owned(),
        Code::ALREADY_LOGGED_IN => "esta conexão já é de alguém; abra outra".to_owned(),
        Code::IN_FLIGHT => {
            format!("{value} pedidos esperam resposta e {limit} é o máximo; espere um pouco")
        }
        Code::BUSY => "o servidor está ocupado; tente de novo daqui a pouco".to_owned(),
        Code::CONNECTIONS => "o servidor está cheio; tente mais tarde".to_owned(),
        Code::LOGIN_TIMEOUT => "ninguém entrou a tempo; conecte de novo e entre logo".to_owned(),
        Code::IDLE => "nada chegou por muito tempo; a conexão foi encerrada".to_owned(),
        Code::SHUTTING_DOWN => "o servidor está sendo encerrado; conecte mais tarde".to_owned(),
        Code::LOGIN_ATTEMPTS => "tentativas demais nesta conexão; conecte de novo".to_owned(),
        Code::SESSION_ENDED => "a sessão terminou; entre de novo".to_owned(),
        Code::LINE_TOO_LONG => "a linha é longa demais; mande menos de uma vez".to_owned(),
        Code::NAME_TAKEN => "este nome já é de outra pessoa; escolha outro".to_owned(),
        Code::NAME_LENGTH => format!("o nome tem {value} caracteres; precisa ter de 3 a {limit}"),
        Code::NAME_CHARACTER => format!(
            "o caractere {value} do nome não é letra sem acento, algarismo, `_`, `.` nem `-`; retire-o"
        ),
        Code::PASSWORD_LENGTH => format!("a senha tem {value} bytes; precisa ter de 6 a {limit}"),
        Code::BAD_CREDENTIALS => "nome e senha não combinam; confira os dois".to_owned(),
        Code::UNKNOWN_USER => format!("não há usuário `{name}`; confira o nome"),
        Code::SESSIONS => format!("há {value} sessões suas, o máximo; encerre uma antes"),
        Code::TEXT_LENGTH => format!("o texto tem {value} bytes; precisa ter de 1 a {limit}"),
        Code::TO_YOURSELF => {
            "mensagem privada é para outra pessoa; escreva a outra pessoa".to_owned()
        }
        Code::UNKNOWN_ROOM => format!("não há sala `{name}`; entre nela para criá-la"),
        Code::NOT_MEMBER => format!("você não está na sala `{name}`; entre nela antes"),
        Code::ALREADY_MEMBER => format!("você já está na sala `{name}`"),
        Code::CONVERSATION_NAME_LENGTH => {
            format!("o nome da sala tem {value} bytes; precisa ter de 1 a {limit}")
        }
        Code::ROOMS => format!("você está em {value} salas, o máximo; saia de uma antes"),
        Code::SLOW_READER => "a conexão não lê o que recebe; conecte de novo".to_owned(),
        Code::TYPING_TARGET => "só se avisa que digita a outra pessoa".to_owned(),
        Code::TYPING_TARGETS | Code::TYPING_RATE => {
            "avisos demais de que você está digitando".to_owned()
        }
        _not_of_this_dialect => return None,
    })
}
