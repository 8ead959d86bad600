package componenttest

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"

	"github.com/mkube/mkube/pkg/pki"
)

// embedded matches a line of a kubeconfig, a Secret or an APIService that contains a file.
var embedded = regexp.MustCompile(`(?m)^( *)([a-z-]+-data|tls\.(?:crt|key)|caBundle): (\S+)$`)

// Readable returns a file with stable text in place of what differs each time. A certificate
// becomes its description by pki.Describe, and a key becomes "<private key>", "<public key>" or
// "<secret key>", also in a kubeconfig or an object. If a certificate cannot be read, it returns an error.
func Readable(data []byte) (string, error) {
	var failed error
	text := embedded.ReplaceAllFunc(data, func(line []byte) []byte {
		m := embedded.FindSubmatch(line)
		inner, err := base64.StdEncoding.DecodeString(string(m[3]))
		if err != nil {
			failed = fmt.Errorf("%s: %w", m[2], err)
			return line
		}
		shown, err := blocks(inner)
		if err != nil {
			failed = fmt.Errorf("%s: %w", m[2], err)
		}
		indent := "\n" + string(m[1]) + "  "
		return fmt.Appendf(nil, "%s%s: |%s%s", m[1], m[2], indent, strings.ReplaceAll(strings.TrimRight(shown, "\n"), "\n", indent))
	})
	shown, err := blocks(text)
	if failed != nil {
		err = failed
	}
	return shown, err
}

// blocks replaces each block of PEM with its description. It returns a file without PEM unchanged.
func blocks(data []byte) (string, error) {
	if !bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		return string(data), nil
	}
	var b strings.Builder
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			info, err := pki.Describe(pem.EncodeToMemory(block))
			if err != nil {
				return "", err
			}
			b.WriteString(info.String())
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			b.WriteString("<private key>\n")
		case block.Type == "PUBLIC KEY":
			b.WriteString("<public key>\n")
		case block.Type == "HEARTBEAT KEY":
			b.WriteString("<secret key>\n")
		default:
			return "", fmt.Errorf("it has a PEM block %q", block.Type)
		}
	}
	return b.String(), nil
}
