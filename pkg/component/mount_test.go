package component_test

import (
	"fmt"
	"testing"

	"github.com/mkube/mkube/pkg/component"
)

func TestPKIFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"none":         {[]string{"x", "--v=4", "--kubeconfig=/etc/kubernetes/x.conf"}, "[]"},
		"the folder":   {[]string{"--cert-dir=/etc/kubernetes/pki"}, "[]"},
		"several":      {[]string{"--b=/etc/kubernetes/pki/b.crt", "--a=/etc/kubernetes/pki/etcd/a.key"}, "[{pki-1 /etc/kubernetes/pki/b.crt} {pki-2 /etc/kubernetes/pki/etcd/a.key}]"},
		"one of two":   {[]string{"--a=/etc/kubernetes/pki/a.crt", "--b=/etc/kubernetes/pki/a.crt"}, "[{pki-1 /etc/kubernetes/pki/a.crt}]"},
		"a list":       {[]string{"--keys=/etc/kubernetes/pki/a.pub,/etc/kubernetes/pki/b.pub"}, "[{pki-1 /etc/kubernetes/pki/a.pub} {pki-2 /etc/kubernetes/pki/b.pub}]"},
		"a named pair": {[]string{"--tls-sni-cert-key=/etc/kubernetes/pki/a.crt,/etc/kubernetes/pki/a.key:a.example,b.example"}, "[{pki-1 /etc/kubernetes/pki/a.crt} {pki-2 /etc/kubernetes/pki/a.key}]"},
	} {
		if got := fmt.Sprint(component.PKIFiles(test.args)); got != test.want {
			t.Errorf("%s: PKIFiles = %s; want %s", name, got, test.want)
		}
	}
}
