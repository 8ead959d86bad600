package external

import "time"

// Limited returns a provider with this time limit for all calls.
func Limited(p *Provider, most time.Duration) *Provider {
	return &Provider{p.program, p.dir, func(string) time.Duration { return most }}
}

// Limit returns the time limit of a call of a method.
var Limit = limit
