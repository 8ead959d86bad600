package networkpolicies

import (
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	h := newHealth()
	answers := func(code int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if w.Code != code || w.Body.String() != body {
			t.Errorf("%d %q; want %d %q", w.Code, w.Body, code, body)
		}
	}
	answers(503, "policies, pods or namespaces are not known yet\n")
	h.report(nil)
	answers(200, "")
	h.report(errors.New("no rules"))
	answers(503, "no rules\n")
}

func TestHealthOnABusyPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	want := fmt.Sprintf("serving health: listen tcp %s: bind: address already in use", address)
	if got := message(newHealth().serve(t.Context(), address)); got != want {
		t.Errorf("serve = %q; want %q", got, want)
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	if got, err := prefixes("pod-cidr", []string{"10.244.1.7/24", "fd00::/64"}); err != nil || fmt.Sprint(got) != "[10.244.1.0/24 fd00::/64]" {
		t.Errorf("prefixes = %v, %v", got, err)
	}
	if _, err := prefixes("pod-cidr", []string{"10.244.1.7"}); message(err) != `--pod-cidr: netip.ParsePrefix("10.244.1.7"): no '/'` {
		t.Errorf("the error is %v", err)
	}
}
