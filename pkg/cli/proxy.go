package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/mkube/mkube/pkg/config"
)

// environmentProxy returns the proxy that the environment variables set, nil without one, for the
// nodes of a new cluster. The variables are read as Go and curl read them: in upper case, or else in
// lower case. A proxy that listens on a loopback address is left out with a warning, because in a
// node, that address is the node's own.
func (a app) environmentProxy() (p *config.Proxy, warnings []string, err error) {
	var errs []error
	address := func(name string) string {
		name, value := a.either(name)
		if value == "" {
			return ""
		}
		u, err := config.ParseProxy(value)
		if err != nil {
			errs = append(errs, fmt.Errorf("the environment variable %s %w", name, err))
			return ""
		}
		if isLoopback(u.Hostname()) {
			warnings = append(warnings, fmt.Sprintf("nodes do not use the proxy in %s, because they cannot reach %s of this host: to use it, let it listen on another address, and set proxy in the configuration file", name, u.Host))
			return ""
		}
		return value
	}
	_, none := a.either("NO_PROXY")
	found := config.Proxy{HTTPProxy: address("HTTP_PROXY"), HTTPSProxy: address("HTTPS_PROXY"), NoProxy: none}
	if found.HTTPProxy == "" && found.HTTPSProxy == "" {
		return nil, warnings, errors.Join(errs...)
	}
	return &found, warnings, errors.Join(errs...)
}

// either returns an environment variable in upper case, or else in lower case, with its name.
func (a app) either(upper string) (name, value string) {
	lower := strings.ToLower(upper)
	if value = a.getenv(upper); value != "" {
		return upper, value
	}
	return lower, a.getenv(lower)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
