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

// embedded is a line of a kubeconfig, a Secret or an APIService that holds a file.
var embedded = regexp.MustCompile(`(?m)^( *)([a-z-]+-data|tls\.(?:crt|key)|caBundle): (\S+)$`)

// Readable is a file with what differs each time put in words: a certificate as
// pki.Describe has it, "<private key>" and "<public key>"; in a kubeconfig
// or an object too. It is an error if a certificate cannot be read.
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

// blocks puts each block of PEM in words; a file without any is returned as it is.
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
		default:
			return "", fmt.Errorf("it has a PEM block %q", block.Type)
		}
	}
	return b.String(), nil
}
