package docker

import (
	"fmt"
	"strings"
	"testing"
)

func TestBuiltID(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ in, id, err string }{
		"nothing":       {"", "", ""},
		"a build":       {`{"stream":"Step 1/2\n"}{"aux":{"ID":"sha256:a"}}{"stream":"Successfully built"}`, "sha256:a", ""},
		"a load":        {`{"stream":"Loaded image: mkube/node:v1\n"}`, "", ""},
		"the last ID":   {`{"aux":{"ID":"sha256:a"}} {"aux":{"ID":"sha256:b"}}`, "sha256:b", ""},
		"an error":      {`{"stream":"Reading lists\n"}{"stream":"E: no such package\n"}{"error":"exit code: 100"}`, "", "exit code: 100\nReading lists\nE: no such package"},
		"no word":       {`{"error":"unexpected EOF"}`, "", "unexpected EOF"},
		"no JSON":       {`oops`, "", "invalid character 'o' looking for beginning of value"},
		"cut off":       {`{"stream":"a`, "", "unexpected EOF"},
		"a long output": {fmt.Sprintf(`{"stream":%q}{"error":"no"}`, strings.Repeat("x", 5000)+"end"), "", "no\n" + strings.Repeat("x", 1997) + "end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, err := builtID(strings.NewReader(test.in))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if id != test.id || got != test.err {
				t.Errorf("builtID = %q, %q; want %q, %q", id, got, test.id, test.err)
			}
			if msgErr := messages(strings.NewReader(test.in)); fmt.Sprint(msgErr) != fmt.Sprint(err) {
				t.Errorf("messages = %v; want %v", msgErr, err)
			}
		})
	}
}
