DROP TABLE calendars;
DROP TABLE notice_marks;
DROP TABLE notices;
DROP TABLE webhooks;
