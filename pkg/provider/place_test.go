package provider_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// placer is a provider on another host.
type placer struct {
	provider.Provider
	err error
}

func (p placer) Place(_ context.Context, cfg config.Cluster) (config.Cluster, []string, error) {
	return cfg.PublishedAt("192.0.2.1"), []string{"far away"}, p.err
}

func TestPlace(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for name, tt := range map[string]struct {
		p        provider.Provider
		address  string
		warnings int
		err      error
	}{
		"here":                 {struct{ provider.Provider }{}, "127.0.0.1", 0, nil},
		"elsewhere":            {placer{}, "192.0.2.1", 1, nil},
		"elsewhere and traced": {provider.Trace(placer{}, io.Discard), "192.0.2.1", 1, nil},
		"nowhere":              {placer{err: down}, "192.0.2.1", 1, down},
	} {
		placed, warnings, err := provider.Place(t.Context(), tt.p, config.Cluster{}.Default())
		if placed.Networking.APIServerAddress != tt.address || len(warnings) != tt.warnings || !errors.Is(err, tt.err) {
			t.Errorf("%s: at %s, with %q, %v", name, placed.Networking.APIServerAddress, warnings, err)
		}
	}
}
