//! Date functions: UTC, Moment's tokens, units and thresholds.

use airtable_formula::{Date, Timestamp, Value};

use crate::helpers::{check, check_all, compile, context, sample};

#[test]
fn parts_of_a_date_are_in_utc() {
    check_all(&[
        ("YEAR(Time)", "2024"),
        ("MONTH(Time)", "1"),
        ("DAY(Time)", "15"),
        ("HOUR(Time)", "14"),
        ("MINUTE(Time)", "30"),
        ("SECOND(Time)", "45"),
        ("HOUR(SET_TIMEZONE(Time, 'Asia/Tokyo'))", "14"),
        ("YEAR({No date})", "error"),
        ("YEAR(2024)", "error"),
        ("YEAR(\"nonsense\")", "error"),
        ("YEAR(Dates)", "error"),
        ("WEEKDAY(\"2021-06-09\")", "3"),
        ("WEEKDAY(\"2024-01-14\")", "0"),
        ("WEEKDAY(\"2024-01-14\", \"Monday\")", "6"),
        ("WEEKDAY(\"2024-01-14\", \"Friday\")", "error"),
        ("WEEKNUM(\"2013-02-17\")", "8"),
        ("WEEKNUM(\"2013-02-17\", \"Monday\")", "7"),
        ("WEEKNUM(\"2024-12-31\")", "1"),
        ("WEEKNUM(\"2022-01-01\")", "1"),
        ("DATESTR(Time)", "\"2024-01-15\""),
        ("TIMESTR(Time)", "\"14:30:45\""),
        ("TIMESTR(Day)", "\"00:00:00\""),
    ]);
}

#[test]
fn now_is_what_the_context_says() {
    check_all(&[
        ("NOW()", "2024-05-17T09:08:07.000Z"),
        ("TODAY()", "2024-05-17T00:00:00.000Z"),
        ("IS_SAME(NOW(), TODAY(), 'day')", "true"),
        ("NOW() = TODAY()", "false"),
    ]);
}

#[test]
fn adding_clamps_to_the_end_of_the_month() {
    check_all(&[
        ("DATEADD(\"07/10/19\", 10, \"days\")", "2019-07-20T00:00:00.000Z"),
        ("DATEADD(\"2024-01-31\", 1, \"month\")", "2024-02-29T00:00:00.000Z"),
        ("DATEADD(\"2024-01-31\", 1, \"M\")", "2024-02-29T00:00:00.000Z"),
        ("DATEADD(\"2024-01-31\", 1, \"m\")", "2024-01-31T00:01:00.000Z"),
        ("DATEADD(\"2024-02-29\", 1, \"years\")", "2025-02-28T00:00:00.000Z"),
        ("DATEADD(\"2024-02-29\", -1, \"quarters\")", "2023-11-29T00:00:00.000Z"),
        ("DATEADD(\"2024-01-01\", 2, \"Weeks\")", "2024-01-15T00:00:00.000Z"),
        ("DATEADD(\"2024-01-01\", 1.5, \"hours\")", "2024-01-01T01:30:00.000Z"),
        ("DATEADD(\"2024-01-01\", -1, \"ms\")", "2023-12-31T23:59:59.999Z"),
        ("DATEADD(\"2024-01-01\", 1, \"fortnights\")", "error"),
        ("DATEADD(\"2024-01-01\", 1000000, \"years\")", "error"),
        ("DATEADD(\"2024-01-01\", POWER(10, 300), \"s\")", "error"),
        ("DATEADD(\"2024-01-01\", 1/0, \"months\")", "error"),
        ("DATEADD({No date}, 1, \"days\")", "error"),
    ]);
}

#[test]
fn differences_are_whole_units_towards_zero() {
    check_all(&[
        ("DATETIME_DIFF(\"2024-01-02\", \"2024-01-01\")", "86400"),
        ("DATETIME_DIFF(\"2024-01-01T23:00Z\", \"2024-01-03\", 'days')", "-1"),
        ("DATETIME_DIFF(\"2024-01-01T11:59Z\", \"2024-01-01\", 'hours')", "11"),
        ("DATETIME_DIFF(\"2024-03-14\", \"2024-01-15\", 'months')", "1"),
        ("DATETIME_DIFF(\"2024-03-15\", \"2024-01-15\", 'months')", "2"),
        ("DATETIME_DIFF(\"2024-01-15\", \"2024-03-15\", 'months')", "-2"),
        ("DATETIME_DIFF(\"2024-02-29\", \"2024-01-31\", 'months')", "1"),
        ("DATETIME_DIFF(\"2024-06-14\", \"2020-06-15\", 'years')", "3"),
        ("DATETIME_DIFF(\"2024-06-15\", \"2020-06-15\", 'y')", "4"),
        ("DATETIME_DIFF(\"2024-12-31\", \"2024-01-01\", 'quarters')", "3"),
        ("DATETIME_DIFF(\"2024-01-15\", \"2024-01-01\", 'w')", "2"),
        ("DATETIME_DIFF({No date}, \"2024-01-01\", 'days')", "NaN"),
        ("DATETIME_DIFF(\"x\", \"2024-01-01\", 'days')", "error"),
        ("DATETIME_DIFF(\"2024-01-02\", \"2024-01-01\", 'blinks')", "error"),
    ]);
}

#[test]
fn every_moment_token_is_written() {
    let cases = [
        ("YYYY YY Y", "2023 23 2023"),
        ("M Mo MM MMM MMMM", "9 9th 09 Sep September"),
        ("Q Qo", "3 3rd"),
        ("D Do DD", "8 8th 08"),
        ("DDD DDDo DDDD", "251 251st 251"),
        ("d do dd ddd dddd e E", "5 5th Fr Fri Friday 5 5"),
        ("w wo ww W Wo WW", "36 36th 36 36 36th 36"),
        ("gg gggg GG GGGG", "23 2023 23 2023"),
        ("H HH h hh k kk A a", "16 16 4 04 16 16 PM pm"),
        ("m mm s ss", "5 05 9 09"),
        ("S SS SSS SSSS", "1 12 123 1230"),
        ("X x", "1694189109 1694189109123"),
        ("Z ZZ z zz", "+00:00 +0000 UTC UTC"),
        ("LT|LTS", "4:05 PM|4:05:09 PM"),
        ("L|l", "09/08/2023|9/8/2023"),
        ("LL|ll", "September 8, 2023|Sep 8, 2023"),
        ("LLL|lll", "September 8, 2023 4:05 PM|Sep 8, 2023 4:05 PM"),
        ("LLLL|llll", "Friday, September 8, 2023 4:05 PM|Fri, Sep 8, 2023 4:05 PM"),
        ("[Day] D [of] MMMM", "Day 8 of September"),
        ("\\\\D[L]", "DL"),
        ("Hmm hmmss", "1605 40509"),
        ("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2023-09-08T16:05:09.123Z"),
        ("é→D", "é→8"),
        ("[open", "[op5n"),
    ];
    for (format, expected) in cases {
        check(
            &format!("DATETIME_FORMAT(DATETIME_PARSE('2023-09-08T16:05:09.123Z'), '{format}')"),
            &format!("{expected:?}"),
        );
    }
    check("DATETIME_FORMAT('2023-09-08')", "\"2023-09-08T00:00:00+00:00\"");
    check("DATETIME_FORMAT('2023-09-08', 'kk:mm h A')", "\"24:00 12 AM\"");
    check("DATETIME_FORMAT('2024-12-30', 'gggg-ww GGGG-WW')", "\"2025-01 2025-01\"");
    check("DATETIME_FORMAT({No date}, 'D')", "error");
}

#[test]
fn a_zone_shows_only_in_the_format() {
    check_all(&[
        (
            "DATETIME_FORMAT(SET_TIMEZONE(\"07/10/19 13:00\", 'Australia/Sydney'), 'M/D/YYYY h:mm')",
            "\"7/10/2019 11:00\"",
        ),
        (
            "DATETIME_FORMAT(SET_TIMEZONE('2024-07-02T12:00Z', 'Europe/London'), 'HH:mm z Z')",
            "\"13:00 BST +01:00\"",
        ),
        (
            "DATETIME_FORMAT(SET_TIMEZONE('2024-01-02T12:00Z', 'America/St_Johns'), 'HH:mm ZZ')",
            "\"08:30 -0330\"",
        ),
        ("SET_TIMEZONE('2024-01-02T12:00Z', 'Asia/Tokyo')", "2024-01-02T12:00:00.000Z"),
        ("SET_TIMEZONE('2024-01-02', 'Mars/Olympus')", "error"),
        ("DATETIME_FORMAT(DATEADD(SET_TIMEZONE('2024-01-02', 'Asia/Tokyo'), 1, 'd'), 'HH')", "\"00\""),
    ]);
}

#[test]
fn locales_change_names_and_order() {
    check_all(&[
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'es'), 'LLLL')", "\"miércoles, 10 de julio de 2019 0:00\""),
        (
            "DATETIME_FORMAT(SET_LOCALE('07/10/19', 'de'), 'dddd, Do MMMM|L')",
            "\"Mittwoch, 10. Juli|10.07.2019\"",
        ),
        ("DATETIME_FORMAT(SET_LOCALE('07/01/19', 'fr'), 'Do MMM|dddd')", "\"1er juil.|lundi\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'fr-ca'), 'Do L')", "\"10e 2019-07-10\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'es'), 'D-MMM-YY|MMM')", "\"10-jul-19|jul\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'es'), 'MMM YY')", "\"jul. 19\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'EN-gb'), 'L LT e')", "\"10/07/2019 00:00 2\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'pt-br'), 'LLL')", "\"10 de julho de 2019 às 00:00\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'nl'), 'Do ll')", "\"10de 10 jul. 2019\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'xx'), 'MMMM')", "\"July\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'ja'), 'LL ddd A')", "\"2019年7月10日 水 午前\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'ru'), 'D MMMM|Do|wo')", "\"10 июля|10-го|28-я\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'ru'), 'MMMM, dddd')", "\"июль, среда\""),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19', 'cs'), 'LL|l')", "\"10. července 2019|10. 7. 2019\""),
        (
            "DATETIME_FORMAT(SET_LOCALE('07/10/19', 'sv'), 'dddd Do MMM, lll')",
            "\"onsdag 10:e jul, 10 jul 2019 00:00\"",
        ),
        ("DATETIME_FORMAT(SET_LOCALE('07/10/19 14:30', 'zh-CN'), 'LLL')", "\"2019年7月10日下午2点30分\""),
        (
            "DATETIME_FORMAT(SET_LOCALE('07/10/19', 'no'), 'MMMM') & DATETIME_FORMAT(SET_LOCALE('07/10/19', 'de-AT'), 'MMMM')",
            "\"juliJuli\"",
        ),
        ("DATESTR(DATETIME_PARSE('2019年12月7日', 'LL', 'ja'))", "\"2019-12-07\""),
        ("DATESTR(DATETIME_PARSE('7 tháng 12 2019', 'D MMMM YYYY', 'vi'))", "\"2019-12-07\""),
        ("DATETIME_PARSE('오후 2:30 2019-12-07', 'A h:mm YYYY-MM-DD', 'ko')", "2019-12-07T14:30:00.000Z"),
        (
            "DATETIME_FORMAT(SET_LOCALE(SET_TIMEZONE('2024-01-02T23:00Z', 'Europe/Berlin'), 'de'), 'dd D.M. HH')",
            "\"Mi 3.1. 00\"",
        ),
        ("DATESTR(DATETIME_PARSE('10. Oktober 2019', 'D. MMMM YYYY', 'de'))", "\"2019-10-10\""),
    ]);
}

#[test]
fn parsing_by_pattern_is_forgiving() {
    check_all(&[
        ("DATETIME_PARSE(\"4 Mar 2017 23:00\", 'D MMM YYYY HH:mm')", "2017-03-04T23:00:00.000Z"),
        ("DATETIME_PARSE(\"20240115\", 'YYYYMMDD')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(20240115, 'YYYYMMDD')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(\"15/01/2024\", 'DD/MM/YYYY')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(\"15-1-24\", 'D/M/YY')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(\"Mon 15 January 2024\", 'ddd D MMMM YYYY')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(\"Tue 15 January 2024\", 'ddd D MMMM YYYY')", "error"),
        ("DATETIME_PARSE(\"15th of Jan 2024\", 'Do MMM YYYY')", "error"),
        ("DATETIME_PARSE(\"15th Jan 2024\", 'Do MMM YYYY')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(\"Jan 2024\", 'MMM YYYY')", "2024-01-01T00:00:00.000Z"),
        ("DATETIME_PARSE(\"12:30 am 1/15/2024\", 'h:mm a M/D/YYYY')", "2024-01-15T00:30:00.000Z"),
        ("DATETIME_PARSE(\"2024-01-15 10:00 +02:00\", 'YYYY-MM-DD HH:mm Z')", "2024-01-15T08:00:00.000Z"),
        ("DATETIME_PARSE(\"2024-01-15 10:00:05.5\", 'YYYY-MM-DD HH:mm:ss.S')", "2024-01-15T10:00:05.500Z"),
        ("DATETIME_PARSE(\"1694189109\", 'X')", "2023-09-08T16:05:09.000Z"),
        ("DATETIME_PARSE(\"at 1694189109.5 or so\", 'X')", "2023-09-08T16:05:09.500Z"),
        ("DATETIME_PARSE(\"1694189109.\", 'X')", "2023-09-08T16:05:09.000Z"),
        ("DATETIME_PARSE(\"2021 Tuesday\", 'YYYY dddd')", "2021-05-11T00:00:00.000Z"),
        ("DATETIME_PARSE(\"2021\", 'gggg w')", "2021-05-09T00:00:00.000Z"),
        ("DATETIME_PARSE(\"2021\", 'GGGG W')", "2021-01-04T00:00:00.000Z"),
        ("DATETIME_PARSE(\"3\", 'E')", "2024-01-03T00:00:00.000Z"),
        ("DATETIME_PARSE(\"-5\", 'X')", "1969-12-31T23:59:55.000Z"),
        ("DATETIME_PARSE(\"2142-009\", 'x')", "1970-01-01T00:00:02.142Z"),
        ("DATETIME_PARSE(\"2024-015\", 'YYYY-DDDD')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(\"2024-W03-1\", 'GGGG-[W]WW-E')", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE(\"Q2 2024\", '[Q]Q YYYY')", "2024-04-01T00:00:00.000Z"),
        ("DATETIME_PARSE(\"10:30\", 'HH:mm')", "2024-05-17T10:30:00.000Z"),
        ("DATETIME_PARSE(\"3/4\", 'M/D')", "2024-03-04T00:00:00.000Z"),
        ("DATETIME_PARSE(\"31/02/2024\", 'DD/MM/YYYY')", "error"),
        ("DATETIME_PARSE(\"garbage\", 'DD/MM/YYYY')", "error"),
        ("DATETIME_PARSE(\"garbage\")", "error"),
        ("DATETIME_PARSE(Time, 'DD')", "2024-01-15T14:30:45.123Z"),
        ("DATETIME_PARSE({No date})", "error"),
        ("DATETIME_PARSE(\"1/2/2024\")", "2024-01-02T00:00:00.000Z"),
    ]);
}

#[test]
fn dates_compare_up_to_a_unit() {
    check_all(&[
        ("IS_BEFORE(Day, Time)", "true"),
        ("IS_BEFORE(Day, Time, 'day')", "false"),
        ("IS_AFTER(\"1/1/1979\", \"1/1/2000\")", "false"),
        ("IS_SAME(Time, '2024-01-15')", "false"),
        ("IS_SAME(Time, '2024-01-15', 'day')", "true"),
        ("IS_SAME('2024-01-13', '2024-01-14', 'week')", "false"),
        ("IS_SAME('2024-01-14', '2024-01-20', 'week')", "true"),
        ("IS_SAME('2024-04-01', '2024-06-30', 'Q')", "true"),
        ("IS_SAME('1969-12-31T23:59:59Z', '1969-12-31', 'hour')", "false"),
        ("IS_BEFORE({No date}, TODAY())", "error"),
        ("IS_SAME(Day, Day, 'era')", "error"),
    ]);
}

#[test]
fn workdays_skip_weekends_and_holidays() {
    check_all(&[
        ("DATESTR(WORKDAY('10/16/20', 10, '2020-10-16, 2020-10-19'))", "\"2020-11-02\""),
        ("DATESTR(WORKDAY('2024-01-05', 1))", "\"2024-01-08\""),
        ("DATESTR(WORKDAY('2024-01-06', -1))", "\"2024-01-05\""),
        ("DATESTR(WORKDAY('2024-01-08', -1))", "\"2024-01-05\""),
        ("DATESTR(WORKDAY('2024-01-06', 0))", "\"2024-01-06\""),
        ("WORKDAY('2024-01-05T10:30Z', 1)", "2024-01-08T10:30:00.000Z"),
        ("WORKDAY('2024-01-05', 1, 'garbage')", "error"),
        ("WORKDAY('2024-01-05', POWER(10, 18))", "error"),
        ("WORKDAY_DIFF('2024-01-15', '2024-01-19')", "5"),
        ("WORKDAY_DIFF('2024-01-01', '2024-02-01')", "24"),
        ("WORKDAY_DIFF('2024-01-19', '2024-01-15')", "-5"),
        ("WORKDAY_DIFF('2024-01-06', '2024-01-07')", "0"),
        ("WORKDAY_DIFF('10/16/2020', '11/2/2020', '2020-10-16, 2020-10-19')", "10"),
        ("WORKDAY_DIFF(Day, {No date})", "error"),
    ]);
}

#[test]
fn distances_are_put_in_words_with_moments_thresholds() {
    for (moment, words) in [
        ("2024-05-17T09:08:00Z", "a few seconds"),
        ("2024-05-17T09:07:00Z", "a minute"),
        ("2024-05-17T09:10:07Z", "2 minutes"),
        ("2024-05-17T09:53:00Z", "an hour"),
        ("2024-05-17T12:08:07Z", "3 hours"),
        ("2024-05-16T09:08:07Z", "a day"),
        ("2024-05-14T09:08:07Z", "3 days"),
        ("2024-06-11T09:08:07Z", "25 days"),
        ("2024-06-12T09:08:07Z", "a month"),
        ("2024-08-17T09:08:07Z", "3 months"),
        ("2025-05-17T09:08:07Z", "a year"),
        ("2022-01-17T09:08:07Z", "2 years"),
    ] {
        check(&format!("FROMNOW('{moment}')"), &format!("{words:?}"));
        check(&format!("TONOW('{moment}')"), &format!("{words:?}"));
    }
}

#[test]
fn dates_reach_to_both_ends_of_the_years_with_four_digits() {
    check_all(&[
        ("YEAR('9999-12-31')", "9999"),
        ("DATESTR('9999-12-31T23:59:59.999Z')", "\"9999-12-31\""),
        ("IS_AFTER('9999-12-31', NOW())", "true"),
        ("DATEADD('9999-12-31', 1, 'day')", "error"),
        ("DATEADD('9999-12-31T23:59:59.999Z', 1, 'ms')", "error"),
        ("DATEADD('9999-12-31', 1, 'M')", "error"),
        ("WORKDAY('9999-12-31', 1)", "error"),
        ("DATETIME_FORMAT('9999-12-31', 'W GGGG w gggg X')", "\"52 9999 1 10000 253402214400\""),
        (
            "DATETIME_FORMAT(SET_TIMEZONE('9999-12-31T23:00Z', 'Asia/Tokyo'), 'YYYY-MM-DD HH')",
            "\"10000-01-01 08\"",
        ),
        ("DATESTR('0000-01-01')", "\"0000-01-01\""),
        ("DATESTR(DATEADD('0000-01-01', -1, 'day'))", "\"-0001-12-31\""),
    ]);
    let never = Date::parse_cell("9999-12-31").expect("a date");
    assert_eq!(never.to_iso_string(), "9999-12-31T00:00:00.000Z");
    assert_eq!(never.timestamp(), Timestamp::MAX, "the nearest that there is");
    let mut sample = sample();
    for time in [Timestamp::MIN, Timestamp::MAX] {
        sample.fields[6].2 = Value::Date(Date::at(time));
        let formula = "DATETIME_FORMAT(SET_TIMEZONE(Day, 'Pacific/Kiritimati'), 'LLLL Z z w W')";
        let value =
            compile(formula).expect("the formula is well-formed").evaluate(&sample, &context()).into_owned();
        assert!(matches!(value, Value::Text(_)), "{value}");
    }
}
