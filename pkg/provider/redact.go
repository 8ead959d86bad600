package provider

import (
	"bytes"
	"encoding/base64"
	"io"
	"regexp"
	"strings"
)

// Redacted is the text in the place of a secret.
const Redacted = "REDACTED"

// Patterns of secrets in one line of text.
var (
	// keyBegin matches the first line of a key in PEM, but of no public key: RFC 7468.
	keyBegin = regexp.MustCompile(`-----BEGIN ([A-Z0-9]+ )*(PRIVATE|HEARTBEAT) KEY-----`)
	keyEnd   = []byte(" KEY-----")
	// keyInLine matches a whole key in one line, as in a string of JSON.
	keyInLine = regexp.MustCompile(keyBegin.String() + `.*?-----END [A-Z0-9 ]*KEY-----`)
	// encodedPEM matches PEM in base64, as in a kubeconfig or in an object of the kind Secret.
	encodedPEM = regexp.MustCompile(`LS0tLS1CRUdJTi[A-Za-z0-9+/]+=*`)
	// webToken matches a JSON Web Token, such as that of a service account: RFC 7519.
	webToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)
	// userInfo matches the password in a URL: RFC 3986, section 3.2.1.
	userInfo = regexp.MustCompile(`(://[^/\s:@"']*:)[^/\s@"']+@`)
	// inFlag matches a flag or a header whose value is a secret. redactArgs knows the same flags.
	inFlag = regexp.MustCompile(`((?:--token|--password)[= ]|\b[Bb]earer )('[^']*'|"[^"]*"|[^\s"']+)`)
)

// keyLines is the maximum number of lines of a key in PEM. After it, text is not part of the key.
const keyLines = 200

// Redact returns text without the secrets in it: private keys in PEM, also in base64, tokens of
// service accounts, bearer tokens, and passwords in URLs.
func Redact(text []byte) []byte {
	var out bytes.Buffer
	w := NewRedactor(&out)
	// Writes to a bytes.Buffer do not fail.
	_, _ = w.Write(text)
	_ = w.Close()
	return out.Bytes()
}

// redactArgs returns the arguments of a command without secrets.
func redactArgs(args []string) []string {
	safe := make([]string, len(args))
	for i, arg := range args {
		flag, _, hasValue := strings.Cut(arg, "=")
		switch {
		case i > 0 && isSecretFlag(args[i-1]):
			safe[i] = Redacted
		case hasValue && isSecretFlag(flag):
			safe[i] = flag + "=" + Redacted
		default:
			safe[i] = string(Redact([]byte(arg)))
		}
	}
	return safe
}

func isSecretFlag(arg string) bool { return arg == "--token" || arg == "--password" }

// NewRedactor returns a writer that writes text to w as Redact returns it, line by line. Close
// writes the last line, and does not close w.
func NewRedactor(w io.Writer) io.WriteCloser { return &redactor{w: w} }

type redactor struct {
	w io.Writer
	// rest is the begin of a line.
	rest []byte
	// inKey is the number of further lines that may belong to a key, 0 outside of a key.
	inKey int
}

// longLine is the size at which a line is not kept until its end.
const longLine = 1 << 20

func (r *redactor) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	end := bytes.LastIndexByte(r.rest, '\n') + 1
	if end == 0 && len(r.rest) > longLine {
		end = len(r.rest)
	}
	if err := r.flush(end); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (r *redactor) Close() error { return r.flush(len(r.rest)) }

// flush writes the first n bytes of rest.
func (r *redactor) flush(n int) error {
	if n == 0 {
		return nil
	}
	var out []byte
	for line := range bytes.Lines(r.rest[:n]) {
		out = append(out, r.line(line)...)
	}
	r.rest = append([]byte(nil), r.rest[n:]...)
	_, err := r.w.Write(out)
	return err
}

// line returns a line without secrets, and nothing for a line within a key.
func (r *redactor) line(line []byte) []byte {
	if r.inKey > 0 {
		r.inKey--
		if bytes.Contains(line, keyEnd) {
			r.inKey = 0
		}
		return nil
	}
	line = inLine(line)
	if at := keyBegin.FindIndex(line); at != nil {
		r.inKey = keyLines
		return append(append(bytes.Clone(line[:at[0]]), Redacted...), '\n')
	}
	return line
}

// inLine returns a line without the secrets that are whole in it.
func inLine(line []byte) []byte {
	for _, p := range []struct {
		has     string // which each match contains: most lines of a log have none of these
		pattern *regexp.Regexp
		with    string
	}{
		{" KEY-----", keyInLine, Redacted},
		{"eyJ", webToken, Redacted},
		{"://", userInfo, "${1}" + Redacted + "@"},
		{"earer ", inFlag, "${1}" + Redacted},
		{"--", inFlag, "${1}" + Redacted},
	} {
		if bytes.Contains(line, []byte(p.has)) {
			line = p.pattern.ReplaceAll(line, []byte(p.with))
		}
	}
	return encodedPEM.ReplaceAllFunc(line, func(match []byte) []byte {
		decoded, _ := base64.StdEncoding.DecodeString(string(match)) // up to the first mistake
		if keyBegin.Match(decoded) {
			return []byte(Redacted)
		}
		return match
	})
}
