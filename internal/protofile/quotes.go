package protofile

import "bytes"

// doubleQuoted replaces single quotes around strings in the text of a .proto file by
// double quotes, because emicklei/proto loses spaces in single quotes. All other text
// keeps its position.
func doubleQuoted(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		n := commentEnd(text)
		if text[0] == '"' || text[0] == '\'' {
			n = stringEnd(text)
		}
		if text[0] == '\'' && text[n-1] == '\'' && n > 1 {
			out = append(out, '"')
			out = append(out, bytes.ReplaceAll(text[1:n-1], []byte(`"`), []byte(`\"`))...)
			out = append(out, '"')
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}

// stringEnd returns the length of the string at the start of text, up to its closing
// quote, or to the end of the line if there is none.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(text)
}

// commentEnd returns the length of the comment at the start of text, or 1 if there is
// none.
func commentEnd(text []byte) int {
	var end string
	switch {
	case bytes.HasPrefix(text, []byte("//")):
		end = "\n"
	case bytes.HasPrefix(text, []byte("/*")):
		end = "*/"
	default:
		return 1
	}
	if i := bytes.Index(text[2:], []byte(end)); i >= 0 {
		return 2 + i + len(end)
	}
	return len(text)
}

// maxNesting is the maximum depth of nested messages. Caffe's have three levels.
const maxNesting = 100

// tooDeep returns the line of the first brace that exceeds maxNesting, or 0. The parser is
// recursive, and takes a second for thousands of levels.
func tooDeep(text []byte) int {
	line, depth := 1, 0
	for len(text) > 0 {
		n := commentEnd(text)
		switch text[0] {
		case '"', '\'':
			n = stringEnd(text)
		case '{':
			if depth++; depth > maxNesting {
				return line
			}
		case '}':
			depth--
		}
		line += bytes.Count(text[:n], []byte("\n"))
		text = text[n:]
	}
	return 0
}
