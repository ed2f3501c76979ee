package prototxt

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind byte

const (
	endToken tokenKind = iota
	nameToken
	intToken
	floatToken
	stringToken // in quotes
	symbolToken // any other single byte
	brokenToken // already reported
)

// A token is a piece of the source. Positions are kept in 32 bits because a net
// with its weights as text has hundreds of millions of tokens.
type token struct {
	kind        tokenKind
	firstOnLine bool
	off, end    int32
	line, col   int32
}

// A lexer splits a file into tokens by the rules of protobuf's io::Tokenizer, configured
// as in TextFormat: comments begin with #, strings may span lines, f may follow a number,
// and a name may follow a number without a space.
type lexer struct {
	src       []byte
	off       int
	line      int
	lineStart int // offset of the line's first byte
	report    func(line, col int, format string, args ...any)
}

const byteOrderMark = "\xef\xbb\xbf"

// lex returns the tokens of src. The last one is endToken.
func lex(src []byte, report func(line, col int, format string, args ...any)) []token {
	l := &lexer{src: src, line: 1, report: report}
	if bytes.HasPrefix(src, []byte(byteOrderMark)) {
		l.off, l.lineStart = len(byteOrderMark), len(byteOrderMark)
	}
	tokens := make([]token, 0, len(src)/8+1)
	lastLine := int32(0)
	for {
		t := l.next()
		t.firstOnLine = t.line != lastLine
		lastLine = int32(l.line)
		tokens = append(tokens, t)
		if t.kind == endToken {
			return tokens
		}
	}
}

func (l *lexer) next() token {
	l.skipBlank()
	t := token{off: int32(l.off), line: int32(l.line), col: int32(l.off - l.lineStart + 1)}
	switch c := l.peek(0); {
	case l.off >= len(l.src):
		t.kind = endToken
	case isLetter(c):
		t.kind = nameToken
		l.skip(func(c byte) bool { return isLetter(c) || isDigit(c) })
	case isDigit(c), c == '.' && isDigit(l.peek(1)):
		t.kind = l.number()
	case c == '"' || c == '\'':
		t.kind = l.quoted(c)
	case c < ' ' || c == 0x7f:
		t.kind = brokenToken
		l.errorAt(l.off, "control character 0x%02x", c)
		l.off++
	case c >= utf8.RuneSelf:
		t.kind = brokenToken
		start := l.off
		l.skip(func(c byte) bool { return c >= utf8.RuneSelf })
		l.errorAt(start, "%q outside of a string or comment", l.src[start:min(l.off, start+40)])
	default:
		t.kind = symbolToken
		l.off++
	}
	t.end = int32(l.off)
	return t
}

// peek returns the byte n ahead, or 0 after the end. Files with a NUL byte are rejected
// earlier.
func (l *lexer) peek(n int) byte {
	if l.off+n < len(l.src) {
		return l.src[l.off+n]
	}
	return 0
}

func (l *lexer) skip(while func(byte) bool) (n int) {
	for l.off < len(l.src) && while(l.src[l.off]) {
		l.off++
		n++
	}
	return n
}

func (l *lexer) skipBlank() {
	for l.off < len(l.src) {
		switch c := l.src[l.off]; c {
		case '\n':
			l.newline()
		case ' ', '\t', '\r', '\v', '\f':
			l.off++
		case '#':
			l.skip(func(c byte) bool { return c != '\n' })
		default:
			return
		}
	}
}

func (l *lexer) newline() {
	l.off++
	l.line++
	l.lineStart = l.off
}

func (l *lexer) errorAt(off int, format string, args ...any) {
	l.report(l.line, off-l.lineStart+1, format, args...)
}

func (l *lexer) number() tokenKind {
	start, kind := l.off, intToken
	leadingZero := l.peek(0) == '0'
	switch {
	case leadingZero && l.peek(1)|0x20 == 'x':
		l.off += 2
		if l.skip(isHexDigit) == 0 {
			l.errorAt(start, "%s without hexadecimal digits", l.src[start:l.off])
			kind = brokenToken
		}
	case leadingZero && isDigit(l.peek(1)):
		l.skip(isOctalDigit)
		if l.skip(isDigit) > 0 {
			l.errorAt(start, "%s begins with 0 and so is octal, but has digits above 7", l.src[start:l.off])
			kind = brokenToken
		}
	default:
		l.skip(isDigit)
		if l.peek(0) == '.' {
			kind = floatToken
			l.off++
			l.skip(isDigit)
		}
		if l.peek(0)|0x20 == 'e' {
			kind = floatToken
			l.off++
			if c := l.peek(0); c == '+' || c == '-' {
				l.off++
			}
			if l.skip(isDigit) == 0 {
				l.errorAt(start, "%s has no digits in its exponent", l.src[start:l.off])
				kind = brokenToken
			}
		}
		if l.peek(0)|0x20 == 'f' {
			kind = floatToken
			l.off++
		}
	}
	if l.peek(0) == '.' {
		l.skip(func(c byte) bool { return c == '.' || isLetter(c) || isDigit(c) })
		l.errorAt(start, "%s is not a number", l.src[start:min(l.off, start+40)])
		kind = brokenToken
	}
	return kind
}

func (l *lexer) quoted(quote byte) tokenKind {
	line, lineStart, start := l.line, l.lineStart, l.off
	kind := stringToken
	l.off++
	if at, bad := windowsPath(l.src[l.off:], quote); bad {
		l.errorAt(l.off+at, "%s is an escape sequence in a string; write / or \\\\ in a path", l.src[l.off+at:min(l.off+at+2, len(l.src))])
		kind = brokenToken
	}
	for l.off < len(l.src) {
		switch c := l.src[l.off]; c {
		case quote:
			l.off++
			return kind
		case '\n':
			l.newline()
		case '\\':
			if n := escapeLen(l.src[l.off:]); n > 0 {
				l.off += n
				break
			}
			if kind != brokenToken { // once for each string
				l.errorAt(l.off, "unknown escape sequence %q in a string", l.src[l.off:min(l.off+2, len(l.src))])
			}
			kind = brokenToken
			l.off++
			if l.off < len(l.src) && l.src[l.off] != '\n' {
				l.off++
			}
		default:
			l.off++
		}
	}
	l.report(line, start-lineStart+1, "string without a closing %c", quote)
	return brokenToken
}

// windowsPath reports whether a string, given without its opening quote, starts like
// C:\new with a single backslash, and the position of the backslash. C++ would read a
// line feed there and look for a different file.
func windowsPath(s []byte, quote byte) (at int, bad bool) {
	if len(s) < 4 || s[1] != ':' || !isLetter(s[0]) || s[0] == '_' {
		return 0, false
	}
	for i := 2; i+1 < len(s) && s[i] != quote && s[i] != '\n'; i++ {
		if s[i] != '\\' {
			continue
		}
		if s[i+1] != '\\' {
			return i, true
		}
		i++
	}
	return 0, false
}

// escapeLen returns the length of the escape sequence at the start of s, or 0 if there
// is none. The first byte is a backslash.
func escapeLen(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	digits := func(from, most int, is func(byte) bool) int {
		n := from
		for n < len(s) && n < from+most && is(s[n]) {
			n++
		}
		return n
	}
	switch c := s[1]; {
	case strings.IndexByte(`abfnrtv\?'"`, c) >= 0:
		return 2
	case isOctalDigit(c):
		return digits(1, 3, isOctalDigit)
	case c == 'x' || c == 'X':
		if n := digits(2, 2, isHexDigit); n > 2 {
			return n
		}
	case c == 'u':
		if n := digits(2, 4, isHexDigit); n == 6 {
			return n
		}
	case c == 'U':
		if n := digits(2, 8, isHexDigit); n == 10 && hexValue(s[2:10]) <= utf8.MaxRune {
			return n
		}
	}
	return 0
}

// unquote appends the value of a token of kind stringToken to dst.
func unquote(dst, src []byte) []byte {
	s := src[1 : len(src)-1]
	for len(s) > 0 {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		s = s[i:]
		n := escapeLen(s)
		switch c := s[1]; {
		case isOctalDigit(c):
			v, _ := strconv.ParseUint(string(s[1:n]), 8, 16) // at most 0777
			dst = append(dst, byte(v))
		case c == 'x' || c == 'X':
			dst = append(dst, byte(hexValue(s[2:n])))
		case c == 'u' || c == 'U':
			r := rune(hexValue(s[2:n]))
			// Two escapes that form a surrogate pair are one character.
			if utf16.IsSurrogate(r) && escapeLen(s[n:]) == 6 && s[n+1] == 'u' {
				if pair := utf16.DecodeRune(r, rune(hexValue(s[n+2:n+6]))); pair != utf8.RuneError {
					r = pair
					n += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
				'\\': '\\', '?': '?', '\'': '\'', '"': '"'}[c])
		}
		s = s[n:]
	}
	return dst
}

// show formats a token for an error message: on one line, not too long.
func (t token) show(src []byte) string {
	if t.kind == endToken {
		return "the end of the file"
	}
	const longest = 40
	s := string(src[t.off:t.end])
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	if t.kind == symbolToken {
		return strconv.Quote(s)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

func hexValue(digits []byte) (v uint32) {
	for _, c := range digits {
		switch {
		case isDigit(c):
			v = v<<4 | uint32(c-'0')
		default:
			v = v<<4 | uint32(c|0x20-'a'+10)
		}
	}
	return v
}

func isDigit(c byte) bool      { return '0' <= c && c <= '9' }
func isOctalDigit(c byte) bool { return '0' <= c && c <= '7' }
func isHexDigit(c byte) bool   { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
func isLetter(c byte) bool     { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }
