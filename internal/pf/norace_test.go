//go:build !race

package pf

// raceEnabled says that everything takes its time.
const raceEnabled = false
