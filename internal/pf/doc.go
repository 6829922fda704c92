// Package pf is the rule language of macOS's packet filter.
package pf
