package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// proxySchemes are the schemes of the proxies that containerd supports, see
// https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config.
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// ParseProxy parses the address of a proxy: a URL, or HOST:PORT for a proxy that is reached with
// http. The error does not contain the address, because that may contain a password.
func ParseProxy(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || !slices.Contains(proxySchemes, u.Scheme) || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("must be the URL of a proxy (%s), such as http://proxy.example.com:3128", strings.Join(proxySchemes, ", "))
	}
	return u, nil
}

func (m *mistakes) proxy(p *Proxy) {
	if p == nil {
		return
	}
	for _, field := range []struct{ name, address string }{{"httpProxy", p.HTTPProxy}, {"httpsProxy", p.HTTPSProxy}} {
		path := fieldPath("proxy", field.name)
		if field.address == "" || !m.printable(path, field.address, "") {
			continue
		}
		if _, err := ParseProxy(field.address); err != nil {
			m.addf(path, "%v", err)
		}
	}
	m.printable("proxy.noProxy", p.NoProxy, "")
}
